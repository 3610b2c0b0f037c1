import { once } from "node:events";
import { createReadStream, fstatSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { SkillboxError } from "../errors.js";
import type { Binding } from "../native/binding.js";
import { isErrno } from "../plan/grants.js";

export interface StdioRequest {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** Where capped output goes; the descriptors themselves are used without a cap. */
  readonly sinks: { readonly stdout: () => Writable; readonly stderr: () => Writable };
  /** Bytes of stdout and stderr together. */
  readonly outputBytes: number | undefined;
  readonly onOutputExceeded: () => void;
}

/** The program's descriptors 0, 1 and 2, and what moves bytes on its behalf. */
export interface Stdio {
  readonly fds: readonly [number, number, number];
  /** Lets go of the program's ends, once it has ended. */
  release(): void;
  /** Resolves when all that the program wrote has been passed on. */
  drained(): Promise<void>;
}

/**
 * Hands the caller's descriptors to the program where that gives nothing away, and puts a pipe in between where it would:
 * a regular file as stdin could be opened for writing through /proc/self/fd/0, and capped output has to be counted.
 * Throws ERR_USAGE for descriptors that no program should get.
 */
export function openStdio(binding: Binding, request: StdioRequest): Stdio {
  for (const [fd, name] of [
    [request.stdin, "stdin"],
    [request.stdout, "stdout"],
    [request.stderr, "stderr"],
  ] as const) {
    refuseUnsafe(binding, fd, name);
  }
  const ours: number[] = [];
  const flows: Promise<void>[] = [];
  const stopped: Socket[] = [];
  const stdin = fstatSync(request.stdin).isFile() ? pumpIn(binding, request.stdin, ours) : request.stdin;
  const counter = { left: request.outputBytes ?? Infinity, exceeded: request.onOutputExceeded };
  const out = (fd: number, sink: () => Writable): number =>
    request.outputBytes === undefined ? fd : pumpOut(binding, sink(), counter, { ours, flows, stopped });
  const fds = [
    stdin,
    out(request.stdout, request.sinks.stdout),
    out(request.stderr, request.sinks.stderr),
  ] as const;
  return {
    fds,
    release: () => {
      for (const fd of ours.splice(0)) binding.closeFd(fd);
      for (const pipe of stopped.splice(0)) pipe.destroy();
    },
    drained: async () => {
      await Promise.all(flows);
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

/** A socket that /proc/net/unix does not know speaks to a network, or to something as far away. */
function isNetworkSocket(inode: number): boolean {
  const known = readFileSync("/proc/self/net/unix", "latin1");
  return !new RegExp(`^(?:\\S+ ){6} *${inode}(?: |$)`, "m").test(known);
}

function pumpIn(binding: Binding, fd: number, ours: number[]): number {
  const [readEnd, writeEnd] = binding.pipe();
  ours.push(readEnd);
  const pipe = new Socket({ fd: writeEnd, readable: false, writable: true });
  // A program that does not read its input to the end is no error.
  pipe.on("error", () => undefined);
  feed(createReadStream("", { fd, autoClose: false }), pipe).catch(() => pipe.destroy());
  // What nobody reads must not keep the process alive.
  pipe.unref();
  return readEnd;
}

/**
 * What pipe() does, which compares its target with process.stdout: to touch that makes the caller's stdout non-blocking,
 * and the program, which shares it, fails to write with EAGAIN.
 */
async function feed(source: AsyncIterable<Buffer>, target: Socket): Promise<void> {
  for await (const chunk of source) {
    if (target.destroyed) return;
    if (!target.write(chunk)) await once(target, "drain");
  }
  target.end();
}

interface Pumped {
  readonly ours: number[];
  readonly flows: Promise<void>[];
  readonly stopped: Socket[];
}

function pumpOut(
  binding: Binding,
  sink: Writable,
  counter: { left: number; readonly exceeded: () => void },
  { ours, flows, stopped }: Pumped,
): number {
  const [readEnd, writeEnd] = binding.pipe();
  ours.push(writeEnd);
  const pipe = new Socket({ fd: readEnd, readable: true, writable: false });
  pipe.on("data", (chunk: Buffer) => {
    const part = chunk.subarray(0, Math.max(0, counter.left));
    counter.left -= chunk.length;
    if (part.length > 0 && !sink.write(part)) {
      pipe.pause();
      sink.once("drain", () => pipe.resume());
    }
    if (counter.left < 0) {
      // Left full rather than closed: SIGPIPE would let the program choose how it ends.
      pipe.removeAllListeners("data").pause();
      stopped.push(pipe);
      counter.exceeded();
    }
  });
  // A reader that went away ends the program by SIGPIPE, as it would without us.
  sink.once("error", () => pipe.destroy());
  flows.push(
    finished(pipe, { writable: false })
      .catch(() => undefined)
      .then(async () => {
        await flushed(sink);
      }),
  );
  return writeEnd;
}

/** A sink may still hold what was written to it, and the process may exit as soon as the run is over. */
async function flushed(sink: Writable): Promise<void> {
  if (sink.writableLength === 0 || sink.destroyed) return;
  await new Promise<void>((resolve) => {
    sink.once("error", () => {
      resolve();
    });
    sink.write("", () => {
      resolve();
    });
  });
}
