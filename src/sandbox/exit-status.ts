import { constants } from "node:os";
import type { SkillboxError } from "../errors.js";
import type { RunResult } from "../result/run-result.js";

/** Exit statuses that are skillbox's own; the rest are the program's. As `timeout`, `env` and shells have them. */
export const exitStatus = {
  timeLimit: 124,
  setUp: 125,
  notExecutable: 126,
  notFound: 127,
  outOfMemory: 137,
} as const;

export function statusOfResult(result: RunResult): number {
  switch (result.outcome) {
    case "timed-out":
      return exitStatus.timeLimit;
    case "out-of-memory":
      return exitStatus.outOfMemory;
    case "output-limit":
      // Cut output is no success, even where the program came to its end before the signal came to it.
      return 128 + constants.signals.SIGKILL;
    case "exited":
    case "signaled":
    case "killed":
      return result.exitCode ?? 128 + signalNumber(result.signal);
  }
}

export function statusOfError(error: SkillboxError): number {
  switch (error.code) {
    case "ERR_NOT_EXECUTABLE":
      return exitStatus.notExecutable;
    case "ERR_NOT_FOUND":
      return exitStatus.notFound;
    case "ERR_POLICY":
    case "ERR_GRANT":
    case "ERR_LIMIT_UNSUPPORTED":
    case "ERR_HOST":
    case "ERR_LAUNCH":
    case "ERR_FILE":
    case "ERR_STREAM":
    case "ERR_AUDIT":
    case "ERR_USAGE":
    case "ERR_INTERNAL":
      return exitStatus.setUp;
  }
}

function signalNumber(name: string | undefined): number {
  const found = Object.entries(constants.signals).find(([signal]) => signal === name);
  return found?.[1] ?? constants.signals.SIGKILL;
}
