import { resolve } from "node:path";
import type { AuditEvent } from "../audit/event.js";
import { SkillboxError } from "../errors.js";
import type { CommitResult, OverlayChange, RunResult } from "../result/run-result.js";
import { conclude } from "../sandbox/conclude.js";
import { Ending } from "../sandbox/ending.js";
import { runResult } from "../sandbox/outcome.js";
import { prepareProcess, prepareSandbox, type PreparedProcess } from "../sandbox/prepare.js";
import { callerFailure, type Program } from "../sandbox/program.js";
import { Session } from "../sandbox/session.js";
import { describeSystemError } from "../sandbox/system-error.js";
import type { Policy } from "../policy/policy.js";
import { account, meterDifference, type Meter } from "./account.js";
import { checkExecOptions, checkSessionOptions, usage } from "./check-options.js";
import { logEvents, recordedEvents } from "./events.js";
import { lower } from "./exec-limits.js";
import type { ExecOptions, ReadFileOptions, SessionOptions } from "./options.js";
import { readWhole, withFile } from "./files.js";
import type { PendingProgram } from "./pending-program.js";
import { sessionRequest } from "./request.js";
import { SandboxRun } from "./run.js";
import { checkArgv } from "./sandbox.js";
import type { ProgramStreams } from "./streams.js";

/**
 * A sandbox that is kept: programs run in it one after another or at once, with the same files, limits, network and record;
 * what one leaves in /tmp, $HOME and overlays the next one finds. What a program leaves running goes on until {@link close}.
 */
export class SandboxSession implements AsyncDisposable {
  readonly #session: Session;
  readonly #policy: Policy;
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #startedMs = performance.now();
  readonly #running = new Set<Program>();
  #programs = 0;
  readonly #cpuTimeMs = { user: 0, system: 0 };
  #closed: Promise<RunResult> | undefined;
  #loggerFailure: SkillboxError | undefined;

  private constructor(
    session: Session,
    policy: Policy,
    environment: Readonly<Record<string, string | undefined>>,
  ) {
    this.#session = session;
    this.#policy = policy;
    this.#environment = environment;
  }

  /** @internal */
  static async create(options: SessionOptions): Promise<SandboxSession> {
    checkSessionOptions(options);
    return await SandboxSession.open(options);
  }

  /** @internal */
  static async open(options: SessionOptions): Promise<SandboxSession> {
    const { logger, programs = [] } = options;
    const request = sessionRequest(options);
    const session = await Session.open({
      ...request,
      prepare: (given) => prepareSandbox(given, programs),
    });
    try {
      await session.sandbox.ready;
    } catch (error) {
      await session.close();
      throw error;
    }
    const opened = new SandboxSession(session, request.policy, request.environment);
    if (logger !== undefined) {
      logEvents(session.trail, logger, (cause) => {
        opened.#failLogger(cause);
      });
    }
    return opened;
  }

  /** Of all programs' events in the record. */
  get runId(): string {
    return this.#session.runId;
  }

  /** What all programs did and were refused, from the first on; needs `events: true`. */
  get events(): AsyncIterable<AuditEvent> {
    return recordedEvents(this.#session.trail);
  }

  /** Starts a program. It rejects with ERR_NOT_FOUND, ERR_NOT_EXECUTABLE, or ERR_USAGE in a sandbox that is closed. */
  exec(argv: readonly string[], options: ExecOptions = {}): SandboxRun {
    checkArgv(argv);
    checkExecOptions(options);
    this.#openSession();
    return SandboxRun.start(options, async (streams, pending) => this.run(argv, options, streams, pending));
  }

  /** @internal Starts the program before it returns; what keeps it from starting is the run's failure. */
  async run(
    argv: readonly string[],
    options: ExecOptions,
    streams: ProgramStreams,
    pending: PendingProgram,
  ): Promise<RunResult> {
    try {
      return await this.#run(argv, options, streams, pending);
    } catch (error) {
      throw describeSystemError(error);
    }
  }

  async #run(
    argv: readonly string[],
    options: ExecOptions,
    streams: ProgramStreams,
    pending: PendingProgram,
  ): Promise<RunResult> {
    const { trail } = this.#session;
    // What the program does comes after what is written by now: who reads its events need not read those of others before it.
    const start = trail.writtenBytes;
    const program = this.#start(this.#prepare(argv, options), streams, options);
    const { id } = program;
    pending.is(program, () =>
      ofProgram(recordedEvents(trail, { start, isLast: (event) => isEndOf(event, id) }), id),
    );
    return await this.#finish(program, argv);
  }

  /**
   * A file as the programs see it, whole: at most `maxBytes`, 64 MiB unless told. Rejects with ERR_FILE, whose `errno` says
   * why: EFBIG for one that is larger.
   */
  async readFile(path: string, { maxBytes = 64 * 1024 * 1024 }: ReadFileOptions = {}): Promise<Buffer> {
    if (typeof path !== "string") throw usage("path", path, "a string");
    if (!Number.isSafeInteger(maxBytes) || maxBytes < 0)
      throw usage("maxBytes", maxBytes, "a number of bytes");
    return await withFile(this.#openSession(), path, "read", async (file) => readWhole(file, path, maxBytes));
  }

  /** Writes a file as the programs would, from its beginning; its directory must be there. */
  async writeFile(path: string, data: string | Uint8Array): Promise<void> {
    if (typeof path !== "string") throw usage("path", path, "a string");
    if (typeof data !== "string" && !(data instanceof Uint8Array))
      throw usage("data", data, "a string or bytes");
    await withFile(this.#openSession(), path, "write", async (file) => file.writeFile(data));
  }

  /** What differs in overlays from the directories below. Of what a running program is about to write it may show a part. */
  async changes(): Promise<readonly OverlayChange[]> {
    return await this.#openSession().changes();
  }

  /** Applies the changes in overlays to the host's directories. Rejects with ERR_USAGE while a program is running. */
  async commit(): Promise<CommitResult> {
    const session = this.#openSession();
    if (this.#running.size > 0) {
      throw new SkillboxError("ERR_USAGE", `${this.#running.size} program(s) are still running`, {
        hint: "await them, or kill them, before what they write is committed",
      });
    }
    return await session.commit();
  }

  /** Ends everything inside, and resolves to the account of the whole. Programs that still run end as "killed". */
  async close(): Promise<RunResult> {
    this.#closed ??= this.#close();
    return await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Throws ERR_USAGE in a sandbox that is closed. */
  #openSession(): Session {
    if (this.#loggerFailure !== undefined) throw this.#loggerFailure;
    if (this.#closed === undefined) return this.#session;
    throw new SkillboxError("ERR_USAGE", "the sandbox is closed", { hint: "create another one" });
  }

  /** What runs now would go unlogged, and so would what comes after it. */
  #failLogger(cause: unknown): void {
    this.#loggerFailure = callerFailure("logger", cause);
    for (const program of this.#running) program.fail(this.#loggerFailure);
  }

  #prepare(argv: readonly string[], { cwd, env, ...limits }: ExecOptions): PreparedProcess {
    const { preparation } = this.#session;
    const process = prepareProcess(preparation, {
      policy: this.#policy,
      argv,
      cwd: resolve(preparation.cwd, cwd ?? "."),
      environment: env ?? this.#environment,
    });
    return {
      ...process,
      wallTimeMs: lower(process.wallTimeMs, limits.wallTimeMs),
      cpuTimeMs: lower(process.cpuTimeMs, limits.cpuTimeMs),
    };
  }

  #start(process: PreparedProcess, streams: ProgramStreams, options: ExecOptions): Program {
    const { limits } = this.#session.preparation;
    const program = this.#session.start(process, {
      terminal: streams.terminal,
      stdio: { ...streams.stdio, outputBytes: lower(limits.outputBytes, options.outputBytes) },
      oneshot: false,
      signal: options.signal,
      failOnStreamError: true,
    });
    this.#running.add(program);
    this.#programs++;
    return program;
  }

  #meter(): Meter {
    return { network: this.#session.network, audit: this.#session.trail.counts() };
  }

  async #finish(program: Program, argv: readonly string[]): Promise<RunResult> {
    const { trail, runId, preparation } = this.#session;
    const before = this.#meter();
    try {
      const exit = await program.ended;
      trail.drain();
      trail.assertWhole();
      const layers = await this.#session.sandbox.ready;
      this.#cpuTimeMs.user += exit.userTimeMs;
      this.#cpuTimeMs.system += exit.systemTimeMs;
      const { network, audit } = meterDifference(this.#meter(), before);
      const parts = { runId, preparation, layers, exit, network, changes: [], commit: undefined };
      // What a cgroup counts is of all programs.
      const result = runResult({ ...parts, cgroup: undefined, ending: program.ending });
      const { outcome, exitCode, signal, wallTimeMs, cpuTimeMs } = result;
      trail.write("program.end", {
        program: program.id,
        argv,
        result: { outcome, exitCode, signal, wallTimeMs, cpuTimeMs },
      });
      trail.drain();
      return { ...result, audit: { ...result.audit, ...audit } };
    } finally {
      this.#running.delete(program);
    }
  }

  async #close(): Promise<RunResult> {
    const session = this.#session;
    for (const program of this.#running) program.ending.begin("killed");
    try {
      const layers = await session.sandbox.ready;
      await Promise.allSettled([...this.#running].map(({ ended }) => ended));
      const changes = await session.changes();
      await session.stop({ ofItself: true });
      const exit = account(this.#cpuTimeMs, performance.now() - this.#startedMs);
      const left = { ending: new Ending(), layers, exit, changes, commit: undefined };
      return await conclude(session, left, { programs: this.#programs });
    } finally {
      await session.close();
    }
  }
}

async function* ofProgram(events: AsyncIterable<AuditEvent>, id: number): AsyncGenerator<AuditEvent> {
  for await (const event of events) if ("program" in event && event.program === id) yield event;
}

function isEndOf(event: AuditEvent, id: number): boolean {
  return event.type === "program.end" && event.program === id;
}
