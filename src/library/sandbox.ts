import { SkillboxError } from "../errors.js";
import type { RunResult } from "../result/run-result.js";
import { callerFailure } from "../sandbox/program.js";
import { run } from "../sandbox/run.js";
import { checkSandboxOptions } from "./check-options.js";
import { recordedEvents, logEvents } from "./events.js";
import type { SandboxOptions } from "./options.js";
import type { PendingProgram } from "./pending-program.js";
import { sessionRequest } from "./request.js";
import { SandboxRun } from "./run.js";
import type { ProgramStreams } from "./streams.js";

/**
 * Runs one program in a sandbox of its own. A program that fails is a result; a sandbox that fails rejects with a
 * {@link SkillboxError}, and nothing was run or nothing of it is left.
 */
export function sandbox(options: SandboxOptions): SandboxRun {
  checkSandboxOptions(options);
  checkArgv(options.argv);
  return SandboxRun.start(options, async (streams, pending) => runOnce(options, streams, pending));
}

async function runOnce(
  options: SandboxOptions,
  streams: ProgramStreams,
  pending: PendingProgram,
): Promise<RunResult> {
  const { argv, commit, logger, signal } = options;
  return await run({
    ...sessionRequest(options),
    argv,
    stdio: streams.stdio,
    terminal: streams.terminal,
    commit,
    signal,
    failOnStreamError: true,
    onStart: (program, { trail }) => {
      pending.is(program, () => recordedEvents(trail));
      if (logger !== undefined) {
        logEvents(trail, logger, (cause) => {
          program.fail(callerFailure("logger", cause));
        });
      }
    },
  });
}

/** Throws ERR_USAGE for what no program can be called with. */
export function checkArgv(argv: unknown): void {
  const isWhole =
    Array.isArray(argv) &&
    argv.length > 0 &&
    argv.every((part: unknown) => typeof part === "string" && !part.includes("\0"));
  if (isWhole) return;
  throw new SkillboxError(
    "ERR_USAGE",
    "argv must be a program and its arguments: strings without NUL bytes",
    {
      hint: 'for example ["python3", "main.py"]; a shell\'s command line is ["sh", "-c", line]',
    },
  );
}
