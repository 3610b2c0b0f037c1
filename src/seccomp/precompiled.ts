import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../package-root.js";
import type { AuditLevel } from "../policy/policy.js";
import type { CompiledFilter } from "./filter.js";
import { instructionBytes } from "./instruction.js";
import { builtInProfiles } from "./load-profile.js";
import type { Arch } from "./syscall-table.js";

/** What the filter of a built-in profile depends on, beside this version of skillbox. */
export interface FilterChoice {
  /** A built-in profile's name, or a file. */
  readonly profile: string;
  readonly arch: Arch;
  readonly level: AuditLevel;
  /** There are destinations outside to be judged. */
  readonly outward: boolean;
}

/** Where tools/bundle.js has put the filters, from the package's root; only its bundle says so, whose compiler made them. */
declare const builtFilters: string | undefined;

/**
 * The filter of a built-in profile as it was compiled with the bundle, which saves a start 9 ms. Undefined where there is none: for a
 * profile of the user's, outside the bundle, or when the profile's file is not the one that was compiled.
 */
export function precompiledFilter(choice: FilterChoice): CompiledFilter | undefined {
  const profile = builtInProfiles.find((name) => name === choice.profile);
  if (profile === undefined || typeof builtFilters === "undefined") return undefined;
  const root = packageRoot();
  const now = readFileSync(join(root, "seccomp-profiles", `${profile}.json`));
  const then = readFileSync(join(root, builtFilters, `${profile}.json`));
  return now.equals(then)
    ? decodeFilter(readFileSync(join(root, builtFilters, filterFile(choice))))
    : undefined;
}

export function filterFile({ profile, arch, level, outward }: FilterChoice): string {
  return `${arch}-${profile}-${level}${outward ? "-outward" : ""}.bpf`;
}

/** u32 program's length, u32 whether it notifies, program, verdicts. */
export function encodeFilter({ program, verdicts, notifies }: CompiledFilter): Uint8Array {
  const header = new Uint32Array([program.byteLength, Number(notifies)]);
  return Buffer.concat([new Uint8Array(header.buffer), program, verdicts]);
}

export function decodeFilter(bytes: Buffer): CompiledFilter {
  const length = bytes.readUInt32LE(0);
  return {
    program: bytes.subarray(8, 8 + length),
    verdicts: bytes.subarray(8 + length),
    instructions: length / instructionBytes,
    notifies: bytes.readUInt32LE(4) === 1,
  };
}
