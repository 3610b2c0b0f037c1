import { SkillboxError } from "../errors.js";
import type { ExecOptions } from "./options.js";

/** The smaller of two limits, where there are two. */
export function lower(policy: number | undefined, own: number | undefined): number | undefined {
  if (own === undefined) return policy;
  return policy === undefined ? own : Math.min(policy, own);
}

/** Throws ERR_USAGE. */
export function checkLimits({ wallTimeMs, cpuTimeMs, outputBytes }: ExecOptions): void {
  for (const [name, value] of Object.entries({ wallTimeMs, cpuTimeMs, outputBytes })) {
    if (value === undefined || (Number.isFinite(value) && value > 0)) continue;
    throw new SkillboxError("ERR_USAGE", `${name} must be a number above 0, not ${String(value)}`);
  }
}
