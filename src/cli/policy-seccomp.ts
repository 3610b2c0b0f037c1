import { SkillboxError } from "../errors.js";
import { disassemble } from "../seccomp/disassemble.js";
import { hostArchitecture, policyFilter } from "../sandbox/filter-input.js";
import { policyFromOptions, type PolicyOptions } from "./exec-options.js";
import { statusOfError } from "../sandbox/exit-status.js";
import { printError } from "./print-error.js";
import { printProfileWarnings } from "./profile-notes.js";

/**
 * The system call filter that a program under this policy gets, as a listing, or as the bytes that seccomp(2) takes (struct
 * sock_filter[] in the order of this machine).
 */
export async function policySeccomp(
  options: PolicyOptions & { readonly disassemble: boolean },
  out: NodeJS.WritableStream,
): Promise<number> {
  try {
    const policy = await policyFromOptions(options);
    printProfileWarnings(policy);
    const arch = hostArchitecture();
    const { program } = policyFilter(policy, arch, policy.audit.level);
    out.write(options.disassemble ? `${disassemble(program, arch).trimEnd()}\n` : program);
    return 0;
  } catch (error) {
    if (!(error instanceof SkillboxError)) throw error;
    printError(error);
    return statusOfError(error);
  }
}
