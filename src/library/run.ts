import type { Readable, Writable } from "node:stream";
import type { AuditEvent } from "../audit/event.js";
import { SkillboxError } from "../errors.js";
import type { RunResult } from "../result/run-result.js";
import { checkKill } from "./check-options.js";
import type { KillOptions, StreamOptions, TerminalSize } from "./options.js";
import { PendingProgram } from "./pending-program.js";
import { openStreams, type ProgramStreams } from "./streams.js";

export interface ProgramResult extends RunResult {
  /** What was captured, as text; "" where it went elsewhere. */
  readonly stdout: string;
  readonly stderr: string;
  /** Bytes of captured streams beyond `maxBuffer`, which are not in the result. */
  readonly discardedBytes: number;
}

/** What a run needs of whatever started it. */
interface RunControl {
  readonly streams: ProgramStreams;
  /** Settles when nothing of the program, or of the sandbox made for it, is left. */
  readonly ended: Promise<RunResult>;
  readonly pending: PendingProgram;
}

/**
 * A program that was started in a sandbox: a promise of its {@link ProgramResult}, with streams, events and {@link kill}. It
 * rejects with a {@link SkillboxError} where the sandbox failed, not where the program did. `await using` ends it.
 */
export class SandboxRun implements Promise<ProgramResult>, AsyncDisposable {
  readonly [Symbol.toStringTag] = "SandboxRun";
  readonly #control: RunControl;
  readonly #result: Promise<ProgramResult>;
  #grace: NodeJS.Timeout | undefined;
  #isOver = false;

  private constructor(control: RunControl) {
    this.#control = control;
    this.#result = this.#finish();
  }

  /** @internal Opens the streams that were asked for, and has the program started with them. */
  static start(
    options: StreamOptions,
    start: (streams: ProgramStreams, pending: PendingProgram) => Promise<RunResult>,
  ): SandboxRun {
    const streams = openStreams(options);
    const pending = new PendingProgram();
    return new SandboxRun({ streams, pending, ended: start(streams, pending) });
  }

  /** To write to, with `stdin: "pipe"`. */
  get stdin(): Writable | undefined {
    this.#isWatched();
    return this.#control.streams.stdin;
  }

  /** To read from, with `stdout: "pipe"`. The program waits for who does not read. */
  get stdout(): Readable | undefined {
    this.#isWatched();
    return this.#control.streams.stdout;
  }

  get stderr(): Readable | undefined {
    this.#isWatched();
    return this.#control.streams.stderr;
  }

  /** Changes the size of the program's terminal, which hears of it by SIGWINCH. Throws ERR_USAGE where it has none. */
  resize(size: TerminalSize): void {
    this.#control.streams.resize(size);
  }

  /**
   * What the program did and was refused, in order, from its beginning; needs `events: true`. Each reader has a pace of its
   * own. After the end only what `auditFile` keeps can be read.
   */
  get events(): AsyncIterable<AuditEvent> {
    this.#isWatched();
    return this.#control.pending.events(this.#control.ended);
  }

  /** Sends a signal to the program's process group. SIGKILL ends all that is left of a one-program sandbox. */
  kill(signal: NodeJS.Signals = "SIGTERM", options: KillOptions = {}): void {
    checkKill(signal, options);
    const { graceMs } = options;
    if (this.#isOver) return;
    this.#control.pending.kill(signal);
    if (graceMs !== undefined && this.#grace === undefined) {
      this.#grace = setTimeout(() => {
        this.#control.pending.kill("SIGKILL");
      }, graceMs);
    }
  }

  async then<Result1 = ProgramResult, Result2 = never>(
    onFulfilled?: ((value: ProgramResult) => Result1 | PromiseLike<Result1>) | null,
    onRejected?: ((reason: unknown) => Result2 | PromiseLike<Result2>) | null,
  ): Promise<Result1 | Result2> {
    return this.#result.then(onFulfilled, onRejected);
  }

  async catch<Result = never>(
    onRejected?: ((reason: unknown) => Result | PromiseLike<Result>) | null,
  ): Promise<ProgramResult | Result> {
    return this.#result.catch(onRejected);
  }

  async finally(onFinally?: (() => void) | null): Promise<ProgramResult> {
    return this.#result.finally(onFinally);
  }

  /** Kills what still runs, waits for its end, and lets go of streams that nobody has read. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    try {
      await this.#result;
    } catch (error) {
      // Who awaited the run has it; who did not has thrown the run away with its outcome.
      if (!(error instanceof SkillboxError)) throw error;
    } finally {
      this.stdin?.destroy();
      this.stdout?.destroy();
      this.stderr?.destroy();
    }
  }

  /** Who follows the run awaits it after its streams: its failure, which may come first, is not unhandled. */
  #isWatched(): void {
    this.#result.catch(() => undefined);
  }

  async #finish(): Promise<ProgramResult> {
    const { streams, ended } = this.#control;
    try {
      const result = await ended;
      const { stdout, stderr } = streams.captured;
      return {
        ...result,
        stdout: stdout?.text() ?? "",
        stderr: stderr?.text() ?? "",
        discardedBytes: (stdout?.discarded ?? 0) + (stderr?.discarded ?? 0),
      };
    } finally {
      this.#isOver = true;
      clearTimeout(this.#grace);
      streams.release();
    }
  }
}
