import { constants } from "node:os";
import type { ProgramResult } from "../library/run.js";

/** A model's command line as a program's arguments; what it sets is the model's own, and needs no leave of the policy. */
export function shellCommand(command: string, env: Readonly<Record<string, string>> = {}): readonly string[] {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const shell = ["sh", "-c", command];
  return variables.length === 0 ? shell : ["env", ...variables, ...shell];
}

/** As a shell would tell it: 128 and the signal's number, 124 for a limit of time. */
export function exitStatusOf({ outcome, exitCode, signal }: ProgramResult): number {
  if (outcome === "timed-out") return 124;
  if (exitCode !== undefined) return exitCode;
  const number = Object.entries(constants.signals).find(([name]) => name === signal)?.[1];
  return 128 + (number ?? constants.signals.SIGKILL);
}
