import { readFileSync } from "node:fs";
import { stringify } from "yaml";
import { SkillboxError } from "../errors.js";
import { importNetworkPolicy } from "../policy/import-network-policy.js";
import { exitStatus } from "../sandbox/exit-status.js";
import { printError, printLine } from "./print-error.js";

/**
 * Prints what a Kubernetes NetworkPolicy or a CiliumNetworkPolicy says about egress as a policy of skillbox's, and on stderr what
 * of it has no counterpart here: nothing is allowed for that. 0, or 125 for a file that is neither.
 */
export function policyImport(file: string, out: NodeJS.WritableStream): number {
  try {
    const { network, unsupported } = importNetworkPolicy(read(file), file);
    out.write(stringify({ version: 1, network }));
    for (const what of unsupported) printLine(`skillbox: not carried over: ${what}`);
    return 0;
  } catch (error) {
    if (!(error instanceof SkillboxError)) throw error;
    printError(error);
    return exitStatus.setUp;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new SkillboxError("ERR_USAGE", `${file} cannot be read: ${String(cause)}`, { cause });
  }
}
