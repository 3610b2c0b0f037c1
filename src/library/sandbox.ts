import { resolve } from "node:path";
import { SkillboxError } from "../errors.js";
import { run } from "../sandbox/run.js";
import type { Program } from "../sandbox/program.js";
import type { Session } from "../sandbox/session.js";
import { recordedEvents, logEvents } from "./events.js";
import type { SandboxOptions } from "./options.js";
import { effectivePolicy } from "./policy.js";
import { SandboxRun } from "./run.js";
import { openStreams, type ProgramStreams } from "./streams.js";

/**
 * Runs one program in a sandbox of its own. A program that fails is a result; a sandbox that fails rejects with a
 * {@link SkillboxError}, and nothing was run or nothing of it is left.
 */
export function sandbox(options: SandboxOptions): SandboxRun {
  checkArgv(options.argv);
  const streams = openStreams(options);
  const started = new Started();
  const ended = runOnce(options, streams, started);
  return new SandboxRun({
    streams,
    ended,
    kill: (signal) => {
      started.kill(signal);
    },
    events: () => started.events(ended),
  });
}

async function runOnce(options: SandboxOptions, streams: ProgramStreams, started: Started) {
  const {
    argv,
    env = process.env,
    auditFile,
    commit,
    logger,
    events = logger !== undefined,
    signal,
  } = options;
  return await run({
    policy: effectivePolicy(options),
    argv,
    cwd: resolve(options.cwd ?? "."),
    environment: env,
    stdio: streams.stdio,
    auditFile,
    keepRecord: events,
    commit,
    signal,
    failOnStreamError: true,
    onStart: (program, session) => {
      started.is(program, session);
      if (logger !== undefined) logEvents(session.trail, logger);
    },
  });
}

/** What the caller may do to a program before and after it is there. */
class Started {
  #program: Program | undefined;
  #pending: NodeJS.Signals | undefined;
  #tell: (session: Session) => void = () => undefined;
  readonly #session = new Promise<Session>((tell) => (this.#tell = tell));

  is(program: Program, session: Session): void {
    this.#program = program;
    this.#tell(session);
    if (this.#pending !== undefined) this.kill(this.#pending);
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#program === undefined) this.#pending = signal;
    else if (signal === "SIGKILL") this.#program.ending.begin("killed");
    else this.#program.kill(signal, true);
  }

  async *events(ended: Promise<unknown>) {
    const session = await Promise.race([this.#session, ended.then(() => this.#session)]);
    yield* recordedEvents(session.trail);
  }
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
