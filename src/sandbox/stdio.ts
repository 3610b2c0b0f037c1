import { fchmodSync, fstatSync, readFileSync, readlinkSync } from "node:fs";
import type { Socket } from "node:net";
import type { Writable } from "node:stream";
import { SkillboxError } from "../errors.js";
import type { Binding } from "../native/binding.js";
import { isErrno } from "../plan/grants.js";
import { openInput } from "./stdio-input.js";
import { awaitQuiet, pumpOut, type Pumped } from "./stdio-output.js";

/** What the program reads: a descriptor of the caller's, or bytes that go to it through a pipe. */
export type Input =
  | { readonly fd: number }
  | { readonly source: AsyncIterable<Uint8Array | string> }
  /** Gets the end to write to. */
  | { readonly connect: (pipe: Socket) => void };

/** Where the program's output goes: a descriptor of the caller's, whose sink gets the bytes where they are counted, or a sink. */
export interface Output {
  readonly fd?: number;
  readonly sink: () => Writable;
  /** The run does not end before the sink has all of it. Default: true; false for a stream that somebody may read later. */
  readonly awaited?: boolean;
}

export interface StdioRequest {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Bytes of stdout and stderr together. */
  readonly outputBytes: number | undefined;
  readonly onOutputExceeded: () => void;
  /** A source or sink of the caller's failed. Without it a failed sink is a reader that went away: SIGPIPE. */
  readonly onStreamError?: (name: StreamName, cause: unknown) => void;
}

export type StreamName = "stdin" | "stdout" | "stderr";

/** The program's descriptors 0, 1 and 2, and what moves bytes on its behalf. */
export interface Stdio {
  /** Three; none where the program gets a terminal. */
  readonly fds: readonly number[];
  /** Lets go of the program's ends, once it has ended. */
  release(): void;
  /** Resolves when all that the program wrote has been passed on. */
  drained(): Promise<void>;
  /** The same where programs that live on may hold the pipes open: nothing more is awaited after a pause. */
  quiet(): Promise<void>;
}

/**
 * Hands the caller's descriptors to the program where that gives nothing away, and puts a pipe in between where it would:
 * a regular file as stdin could be opened for writing through /proc/self/fd/0, and capped output has to be counted.
 * Throws ERR_USAGE for descriptors that no program should get.
 */
export function openStdio(binding: Binding, request: StdioRequest): Stdio {
  const { stdin, stdout, stderr } = request;
  if ("fd" in stdin) refuseUnsafe(binding, stdin.fd, "stdin");
  if (stdout.fd !== undefined) refuseUnsafe(binding, stdout.fd, "stdout");
  if (stderr.fd !== undefined) refuseUnsafe(binding, stderr.fd, "stderr");
  for (const { fd } of [stdout, stderr]) if (fd !== undefined) letReopen(fd);
  const pumped: Pumped = { ours: [], outputs: [], stopped: [] };
  const counter = { left: request.outputBytes ?? Infinity, exceeded: request.onOutputExceeded };
  const out = (output: Output, name: StreamName): number =>
    output.fd !== undefined && request.outputBytes === undefined
      ? output.fd
      : pumpOut(binding, output, counter, pumped, (cause) => request.onStreamError?.(name, cause));
  const release = (): void => {
    for (const fd of pumped.ours.splice(0)) binding.closeFd(fd);
    for (const pipe of pumped.stopped.splice(0)) pipe.destroy();
  };
  const fds: number[] = [];
  try {
    fds.push(openInput(binding, stdin, pumped, (cause) => request.onStreamError?.("stdin", cause)));
    fds.push(out(stdout, "stdout"), out(stderr, "stderr"));
  } catch (error) {
    release();
    for (const { pipe } of pumped.outputs) pipe.destroy();
    throw error;
  }
  return {
    fds,
    release,
    drained: async () => {
      await Promise.all(pumped.outputs.map(({ flow }) => flow));
    },
    quiet: async () => {
      await Promise.all(pumped.outputs.map(awaitQuiet));
    },
  };
}

/** O_PATH of fcntl.h on x86-64 and arm64. */
const pathOnly = 0o10000000;

function refuseUnsafe(binding: Binding, fd: number, name: string): void {
  let stats;
  try {
    stats = fstatSync(fd);
  } catch (cause) {
    if (isErrno(cause, "EBADF"))
      throw new SkillboxError("ERR_USAGE", `${name} is closed`, {
        hint: `give it something, such as /dev/null`,
      });
    throw cause;
  }
  const what = stats.isDirectory()
    ? "a directory"
    : stats.isBlockDevice()
      ? "a block device"
      : (binding.statusFlags(fd) & pathOnly) !== 0
        ? "an O_PATH descriptor"
        : stats.isSocket() && isNetworkSocket(stats.ino)
          ? "a network socket"
          : undefined;
  if (what === undefined) return;
  throw new SkillboxError("ERR_USAGE", `${name} is ${what}, which would be a way out of the sandbox`, {
    hint: "use a pipe: … | skillbox exec … | …",
  });
}

/**
 * `echo >/dev/stderr` opens the pipe anew, by its inode, which is the caller's; a root caller's program is another user. Only
 * who holds a pipe without a name can reach it at all, so that its mode gives nothing to anybody else.
 */
function letReopen(fd: number): void {
  if (process.geteuid?.() !== 0) return;
  if (readlinkSync(`/proc/self/fd/${fd}`).startsWith("pipe:")) fchmodSync(fd, 0o666);
}

/** A socket that /proc/net/unix does not know speaks to a network, or to something as far away. */
function isNetworkSocket(inode: number): boolean {
  const known = readFileSync("/proc/self/net/unix", "latin1");
  return !new RegExp(`^(?:\\S+ ){6} *${inode}(?: |$)`, "m").test(known);
}
