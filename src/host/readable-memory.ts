import { SkillboxError } from "../errors.js";
import { yamaForbids } from "./explain.js";
import { readNumber } from "./pseudo-files.js";

/**
 * Connections are judged by a copy of the program's socket and its memory. Where nobody may have those, root neither, each would go
 * on unjudged and meet no listener: network rules that allow nothing, and a refusal that nobody is told of. Yama's 3 is the one
 * setting for that which holds against every caller (Documentation/admin-guide/LSM/Yama.rst).
 */
export function requireReadableMemory(yama = readNumber("/proc/sys/kernel/yama/ptrace_scope")): void {
  if (yama !== 3) return;
  const { reason, hint } = yamaForbids(3);
  throw new SkillboxError("ERR_HOST", `the policy's network rules cannot be enforced here: ${reason}`, {
    stage: "network",
    hint,
  });
}
