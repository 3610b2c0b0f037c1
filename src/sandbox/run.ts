import type { RunResult } from "../result/run-result.js";
import { conclude } from "./conclude.js";
import { prepare, type Preparation } from "./prepare.js";
import { isCutOff, type Program } from "./program.js";
import { Session, type SessionRequest } from "./session.js";
import type { StdioRequest } from "./stdio.js";
import { describeSystemError } from "./system-error.js";
import type { TerminalRequest } from "./terminal.js";

export interface RunRequest extends Omit<SessionRequest<Preparation>, "prepare"> {
  readonly argv: readonly string[];
  readonly stdio: Omit<StdioRequest, "outputBytes" | "onOutputExceeded" | "onStreamError">;
  /** In the place of them. */
  readonly terminal?: TerminalRequest | undefined;
  /** Apply what the program changed in its overlays to the host, if it ends with status 0. */
  readonly commit?: boolean | undefined;
  /** Ends the run with outcome "killed". */
  readonly signal?: AbortSignal | undefined;
  readonly failOnStreamError?: boolean;
  /** Called when the program may be signalled. */
  readonly onStart?: (program: Program, session: Session) => void;
}

/**
 * Runs one program in a sandbox of its own, from policy to result. What the program does is the result; what keeps the
 * sandbox from doing its work is a SkillboxError. Nothing of the run is left when the promise settles.
 */
export async function run(request: RunRequest): Promise<RunResult> {
  const { argv, commit = false } = request;
  const session = await Session.open({ ...request, prepare: (given) => prepare({ ...given, argv }) });
  try {
    const { preparation } = session;
    const program = session.start(preparation.process, {
      stdio: { ...request.stdio, outputBytes: preparation.limits.outputBytes },
      oneshot: true,
      terminal: request.terminal,
      signal: request.signal,
      failOnStreamError: request.failOnStreamError ?? false,
    });
    request.onStart?.(program, session);
    const { ending } = program;
    // Together, since both reject when the set-up fails, and either would be unhandled while the other is waited for.
    const [layers, exit] = await Promise.all([layersOf(session, program), program.ended]);
    const changes = await session.changes();
    const committed = commit && exit.exitCode === 0 && !ending.hasBegun ? await session.commit() : undefined;
    await session.stop({ ofItself: !ending.hasBegun });
    return await conclude(session, { ending, layers, exit, changes, commit: committed });
  } catch (error) {
    // PID 1 is killed when the record fails: that, and not its death, is what ended the run.
    session.trail.assertWhole();
    throw describeSystemError(error);
  } finally {
    await session.close();
  }
}

/** None where the run was ended before PID 1 had confirmed any. */
async function layersOf({ sandbox }: Session, { ending }: Program): Promise<readonly string[]> {
  try {
    return await sandbox.ready;
  } catch (error) {
    if (ending.hasBegun && isCutOff(error)) return [];
    throw error;
  }
}
