import { SkillboxError } from "../errors.js";
import { readExecArguments } from "./exec-arguments.js";
import { exitStatus, statusOfError } from "../sandbox/exit-status.js";
import { describeSystemError } from "../sandbox/system-error.js";
import { printError } from "./print-error.js";

void main(process.argv.slice(2))
  .catch(statusOfFailure)
  .then((status) => {
    // What may still be open (a terminal that nobody reads from, a pump that the program left behind) is not waited for.
    process.exit(status);
  });

/** The way of most runs leads past commander, whose setting up costs 6 ms. */
async function main(args: readonly string[]): Promise<number> {
  const plain = readExecArguments(args);
  if (plain === undefined) {
    const { runCommandLine } = await import("./command-line.js");
    return runCommandLine(args);
  }
  const { exec } = await import("./exec.js");
  return exec(plain.argv, plain.options);
}

function statusOfFailure(cause: unknown): number {
  const error = describeSystemError(cause);
  if (error instanceof SkillboxError) {
    printError(error);
    return statusOfError(error);
  }
  printError(
    new SkillboxError(
      "ERR_INTERNAL",
      error instanceof Error ? (error.stack ?? error.message) : String(error),
      {
        hint: "this is a fault of skillbox; please report it",
      },
    ),
  );
  // Not to be taken for the program's own exit status.
  return exitStatus.setUp;
}
