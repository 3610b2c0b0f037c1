import { SkillboxError } from "../errors.js";
import { policyJsonSchema } from "../policy/json-schema.js";
import { loadPolicyFile } from "../policy/load.js";
import { exitStatus } from "../sandbox/exit-status.js";
import { printError } from "./print-error.js";
import { printProfileWarnings } from "./profile-notes.js";

/** Says of each file whether it is a policy, its profile of system calls included; problems and warnings go to stderr. 0, or 125 if there are any. */
export function policyCheck(files: readonly string[], out: NodeJS.WritableStream): number {
  let status = 0;
  for (const file of files) {
    try {
      const { policy, sha256 } = loadPolicyFile(file);
      printProfileWarnings(policy);
      out.write(`${file}: ok${policy.name === undefined ? "" : ` (${policy.name})`}, sha256 ${sha256}\n`);
    } catch (error) {
      if (!(error instanceof SkillboxError)) throw error;
      printError(error);
      status = exitStatus.setUp;
    }
  }
  return status;
}

export function policySchema(out: NodeJS.WritableStream): number {
  out.write(`${JSON.stringify(policyJsonSchema(), undefined, 2)}\n`);
  return 0;
}
