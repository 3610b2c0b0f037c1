import { SkillboxError } from "../errors.js";
import type { RunResult } from "../result/run-result.js";
import type { ExecOptions, PoolOptions } from "./options.js";
import { checkExecOptions, checkPoolOptions } from "./check-options.js";
import type { PendingProgram } from "./pending-program.js";
import { SandboxRun } from "./run.js";
import { checkArgv } from "./sandbox.js";
import { SandboxSession } from "./session.js";
import type { ProgramStreams } from "./streams.js";

const mostSandboxes = 1024;

/**
 * Sandboxes that are made before they are needed: each takes one program and is gone after it, so that no program meets
 * what another left. A run settles when its program has ended; its sandbox is taken down behind it.
 */
export class SandboxPool implements AsyncDisposable {
  readonly #options: PoolOptions;
  readonly #size: number;
  readonly #ready: SandboxSession[] = [];
  /** What is being made or taken down. */
  readonly #busy = new Set<Promise<unknown>>();
  #making = 0;
  #isClosed = false;

  private constructor(options: PoolOptions, size: number) {
    this.#options = options;
    this.#size = size;
  }

  /** @internal */
  static async create(options: PoolOptions): Promise<SandboxPool> {
    checkPoolOptions(options);
    const { size } = options;
    if (!Number.isInteger(size) || size < 1 || size > mostSandboxes) {
      throw new SkillboxError("ERR_USAGE", `size must be a number from 1 to ${mostSandboxes}, not ${size}`);
    }
    const pool = new SandboxPool(options, size);
    // The first tells whether it can be done at all.
    pool.#ready.push(await SandboxSession.open(options));
    pool.#refill();
    try {
      await Promise.all(pool.#busy);
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  /** How many are ready. */
  get available(): number {
    return this.#ready.length;
  }

  /** Runs a program in a sandbox of its own; where none is ready, it waits until one is made. */
  exec(argv: readonly string[], options: ExecOptions = {}): SandboxRun {
    checkArgv(argv);
    if (this.#isClosed)
      throw new SkillboxError("ERR_USAGE", "the pool is closed", { hint: "create another one" });
    checkExecOptions(options);
    return SandboxRun.start(options, async (streams, pending) => {
      const ended = this.#run(argv, options, streams, pending);
      this.#track(ended);
      return ended;
    });
  }

  /** Takes down what is ready, and resolves when all sandboxes are gone; programs that run are waited for. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const session of this.#ready.splice(0)) this.#track(session.close());
    while (this.#busy.size > 0) await Promise.allSettled(this.#busy);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(
    argv: readonly string[],
    options: ExecOptions,
    streams: ProgramStreams,
    pending: PendingProgram,
  ): Promise<RunResult> {
    const session = this.#ready.shift() ?? (await SandboxSession.open(this.#options));
    try {
      const result = await session.run(argv, options, streams, pending);
      return { ...result, changes: await session.changes() };
    } finally {
      this.#track(session.close());
      this.#refill();
    }
  }

  #refill(): void {
    while (!this.#isClosed && this.#ready.length + this.#making < this.#size) this.#track(this.#make());
  }

  async #make(): Promise<void> {
    this.#making++;
    try {
      const session = await SandboxSession.open(this.#options);
      if (this.#isClosed) await session.close();
      else this.#ready.push(session);
    } finally {
      this.#making--;
    }
  }

  /** That it fails is told to whoever awaits it, or to the next program, whose sandbox is then made for it alone. */
  #track(work: Promise<unknown>): void {
    this.#busy.add(work);
    const done = (): void => {
      this.#busy.delete(work);
    };
    work.then(done, done);
  }
}
