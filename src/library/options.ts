import type { Writable } from "node:stream";
import type { ReadableStream, WritableStream } from "node:stream/web";
import type { EventLogger } from "../audit/logger-bridge.js";
import type { PolicyInput } from "../policy/schema.js";

/** What the program reads where it is not given as text or bytes: nothing, this process's own, a descriptor, a stream. */
export type StdinOption =
  | "ignore"
  | "inherit"
  | "pipe"
  | number
  | AsyncIterable<Uint8Array | string>
  | ReadableStream<Uint8Array | string>;

/**
 * Where output goes. "capture": into the result, as text; "pipe": a stream of the run's own, whose reader the program waits
 * for; a descriptor, or a stream that is written to and not ended.
 */
export type OutputOption =
  "capture" | "pipe" | "inherit" | "ignore" | number | Writable | WritableStream<Uint8Array>;

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

export interface StreamOptions {
  /**
   * The program gets a terminal of this size instead of pipes: `stdin` of the run is its keyboard, and what `stdout` says is
   * done with its screen; there is no stderr.
   */
  readonly terminal?: TerminalSize;
  /** What the program reads. Excludes `stdin`. */
  readonly input?: string | Uint8Array;
  /** Default: "ignore". */
  readonly stdin?: StdinOption;
  /** Default: "capture". */
  readonly stdout?: OutputOption;
  /** Default: "capture". */
  readonly stderr?: OutputOption;
  /**
   * Gets every piece that is written to a captured stdout. The program waits for a promise that it returns; what it throws, or
   * rejects with, ends the run with ERR_STREAM.
   */
  readonly onStdout?: (chunk: Buffer) => unknown;
  readonly onStderr?: (chunk: Buffer) => unknown;
  /** Bytes that are kept of each captured stream; the program may write more. Default: 10 MiB. */
  readonly maxBuffer?: number;
}

/** One program in a sandbox that is there. Limits only narrow: the smaller of the policy's and this one holds. */
export interface ExecOptions extends StreamOptions {
  /** Absolute inside, or relative to the sandbox's own. Default: the sandbox's own. */
  readonly cwd?: string;
  /** Variables that the policy may pass on. Default: those that the sandbox was made with. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Ends the program with outcome "killed". */
  readonly signal?: AbortSignal | undefined;
  readonly wallTimeMs?: number;
  readonly cpuTimeMs?: number;
  /** Bytes of stdout and stderr together; more ends the program with outcome "output-limit". */
  readonly outputBytes?: number;
}

export interface CreateOptions {
  /** A policy file, or a policy as an object of the same shape. Default: no network, `cwd` read-only. */
  readonly policy?: string | PolicyInput;
  /** The most that `policy` may ask for: it gets what both allow. */
  readonly ceiling?: string | PolicyInput;
  /** Where programs start, and what relative paths of a policy object are relative to. Default: the process's. */
  readonly cwd?: string;
  /** Variables that the policy may pass on. Default: process.env. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where the audit record goes, as JSON Lines; without one, and without `events`, only refusals are counted. */
  readonly auditFile?: string;
  /** Whether the events of the record can be read while it is written. Default: false, or true where there is a `logger`. */
  readonly events?: boolean;
  /** Gets every event: pino's, or one with the same methods. */
  readonly logger?: EventLogger;
}

export interface SessionOptions extends CreateOptions {
  /** Programs, by name or path, that lie outside the system's directories (nvm, pyenv, venv): they are shown inside. */
  readonly programs?: readonly string[];
}

export interface ReadFileOptions {
  readonly maxBytes?: number;
}

export interface PoolOptions extends Omit<SessionOptions, "auditFile" | "events"> {
  /** How many sandboxes are kept ready. */
  readonly size: number;
}

export interface SandboxOptions extends CreateOptions, StreamOptions {
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** Apply what the program changed in overlays to the host, if it ends with status 0. */
  readonly commit?: boolean;
  /** Ends the run with outcome "killed". */
  readonly signal?: AbortSignal | undefined;
}

export interface KillOptions {
  /** How long the program has before SIGKILL follows. Default: it has for ever. */
  readonly graceMs?: number;
}
