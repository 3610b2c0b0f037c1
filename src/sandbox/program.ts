import { SkillboxError } from "../errors.js";
import type { Binding } from "../native/binding.js";
import type { ProcessPlan } from "../plan/launch-plan.js";
import type { Cgroup } from "./cgroup.js";
import { Ending } from "./ending.js";
import type { ExitReport } from "./reports.js";
import type { Sandbox } from "./sandbox.js";
import { openStdio, type Stdio, type StdioRequest, type StreamName } from "./stdio.js";
import { openTerminal, type TerminalRequest } from "./terminal.js";

export interface ProgramOptions {
  readonly stdio: Omit<StdioRequest, "onOutputExceeded" | "onStreamError">;
  /** In the place of stdin, stdout and stderr; stdio.outputBytes holds. */
  readonly terminal?: TerminalRequest | undefined;
  /** The sandbox ends with the program. */
  readonly oneshot: boolean;
  /** Ends the program with outcome "killed". */
  readonly signal?: AbortSignal | undefined;
  /** Whether a stream of the caller's that fails is an error of the run's, ERR_STREAM. Else it is the program's SIGPIPE. */
  readonly failOnStreamError?: boolean;
}

/** One program in a sandbox, from its start to its end. */
export class Program {
  readonly id: number;
  readonly ending = new Ending();
  /** Resolves when it has ended and all that it wrote is passed on. Rejects when it could not be started, or the sandbox died. */
  readonly ended: Promise<ExitReport>;
  readonly #sandbox: Sandbox;
  #callerError: SkillboxError | undefined;

  private constructor(
    binding: Binding,
    sandbox: Sandbox,
    cgroup: Cgroup | undefined,
    plan: ProcessPlan,
    options: ProgramOptions,
  ) {
    this.id = plan.id;
    this.#sandbox = sandbox;
    const onOutputExceeded = (): void => {
      this.ending.begin("output-limit", "output");
    };
    const terminal =
      options.terminal &&
      openTerminal(binding, options.terminal, { outputBytes: options.stdio.outputBytes, onOutputExceeded });
    const stdio =
      terminal ??
      openStdio(binding, {
        ...options.stdio,
        onOutputExceeded,
        ...(options.failOnStreamError === true
          ? {
              onStreamError: (name, cause) => {
                this.fail(callerFailure(name, cause));
              },
            }
          : {}),
      });
    const exited = sandbox.exec(
      plan,
      stdio.fds,
      terminal &&
        ((fd) => {
          terminal.take(fd);
        }),
    );
    this.ending.attach({ sandbox, id: plan.id, oneshot: plan.oneshot }, options.signal, cgroup);
    this.ended = this.#settle(exited, stdio, plan.oneshot);
    // Whoever waits is told; that nobody waits yet must not end the process.
    this.ended.catch(() => undefined);
  }

  /** Throws ERR_USAGE for descriptors that no program should get. */
  static start(
    binding: Binding,
    sandbox: Sandbox,
    cgroup: Cgroup | undefined,
    plan: ProcessPlan,
    options: ProgramOptions,
  ): Program {
    return new Program(binding, sandbox, cgroup, plan, options);
  }

  /** To the program, or to its whole process group as a terminal does. */
  kill(signal: NodeJS.Signals, group: boolean): void {
    this.#sandbox.signal(this.id, signal, group);
  }

  async #settle(exited: Promise<ExitReport>, stdio: Stdio, oneshot: boolean): Promise<ExitReport> {
    try {
      const exit = await this.#ownEnd(exited);
      stdio.release();
      await (oneshot ? stdio.drained() : stdio.quiet());
      if (this.#callerError !== undefined) throw this.#callerError;
      return exit;
    } finally {
      stdio.release();
      this.ending.detach();
    }
  }

  /** The program's own end, or the end that we or the kernel's memory killer put to it. */
  async #ownEnd(exited: Promise<ExitReport>): Promise<ExitReport> {
    try {
      return await exited;
    } catch (error) {
      // With PID 1 dies its report. A memory limit takes it too; anything else is not ours to explain away.
      if (isCutOff(error) && (this.ending.hasBegun || this.ending.foundOutOfMemory())) return killed(this.id);
      throw error;
    }
  }

  /** Ends the program, whose run then fails like this. */
  fail(error: SkillboxError): void {
    this.#callerError ??= error;
    this.ending.begin("killed");
  }
}

/** Of a stream, callback or logger that the caller gave. */
export function callerFailure(name: StreamName | "logger", cause: unknown): SkillboxError {
  const what = name === "logger" ? "the logger" : `the stream for the program's ${name}`;
  return new SkillboxError("ERR_STREAM", `${what} failed: ${String(cause)}`, {
    stage: "stdio",
    hint: "the program was ended; mend the stream or callback that was given",
    cause,
  });
}

/** PID 1 is gone, or says in the middle of its work that we are. */
export function isCutOff(error: unknown): boolean {
  return error instanceof SkillboxError && (error.stage === "supervision" || error.errno === "ECONNRESET");
}

function killed(process: number): ExitReport {
  return {
    process,
    exitCode: undefined,
    signal: "SIGKILL",
    reason: "own",
    wallTimeMs: 0,
    userTimeMs: 0,
    systemTimeMs: 0,
    maxRssBytes: 0,
  };
}
