import type { Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { ReadStream } from "node:tty";
import type { Binding } from "../native/binding.js";
import { isErrno } from "../plan/grants.js";
import type { TerminalSize } from "../plan/launch-plan.js";
import type { Stdio } from "./stdio.js";
import { awaitQuiet, flushed, passOn, type PumpedOutput } from "./stdio-output.js";

/** The caller's end of a program's terminal. */
export interface Terminal {
  /** As if typed: the terminal makes signals of ^C, ^\ and ^Z. False: wait for {@link onDrain}. */
  write(data: Uint8Array | string): boolean;
  onDrain(listener: () => void): void;
  /** The program gets SIGWINCH. */
  resize(size: TerminalSize): void;
}

export interface TerminalRequest {
  readonly size: TerminalSize;
  /** Gets what the program writes. */
  readonly sink: () => Writable;
  /** Called when the terminal is there, shortly before the program is. */
  readonly onOpen: (terminal: Terminal) => void;
}

export interface TerminalLimits {
  readonly outputBytes: number | undefined;
  readonly onOutputExceeded: () => void;
}

/** A program's terminal in the place of descriptors; PID 1 makes it, from the sandbox's own devpts. */
export interface TerminalStdio extends Stdio {
  readonly size: TerminalSize;
  /** Takes the master end. */
  take(fd: number): void;
}

export function openTerminal(
  binding: Binding,
  request: TerminalRequest,
  limits: TerminalLimits,
): TerminalStdio {
  let pumped: PumpedOutput | undefined;
  return {
    size: request.size,
    fds: [],
    take: (fd) => {
      const stream = new ReadStream(fd);
      pumped = { pipe: stream, flow: pump(stream, request.sink(), limits) };
      request.onOpen({
        write: (data) => !stream.destroyed && stream.write(data),
        onDrain: (listener) => stream.once("drain", listener),
        resize: ({ rows, columns }) => {
          if (!stream.destroyed) binding.setWindowSize(fd, rows, columns);
        },
      });
    },
    // Nothing of it is ours but the master end, which ends with the last that has the other one.
    release: () => undefined,
    drained: async () => {
      await pumped?.flow;
    },
    quiet: async () => {
      if (pumped !== undefined) await awaitQuiet(pumped);
    },
  };
}

async function pump(stream: ReadStream, sink: Writable, limits: TerminalLimits): Promise<void> {
  passOn(stream, sink, { left: limits.outputBytes ?? Infinity }, () => {
    stream.resume();
    limits.onOutputExceeded();
  });
  const gone = (): void => {
    stream.destroy();
  };
  sink.on("error", gone);
  sink.on("close", gone);
  try {
    await finished(stream, { writable: false });
  } catch (error) {
    // What a master end says when nobody has the other one any more; or we have closed it.
    if (!isErrno(error, "EIO") && !isErrno(error, "ERR_STREAM_PREMATURE_CLOSE")) throw error;
  } finally {
    stream.destroy();
  }
  await flushed(sink);
  sink.off("error", gone).off("close", gone);
}
