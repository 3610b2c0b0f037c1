import { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Binding } from "../native/binding.js";
import type { Output } from "./stdio.js";

export interface PumpedOutput {
  readonly pipe: Socket;
  /** Settles when the last of it is with the sink. */
  readonly flow: Promise<void>;
}

export interface Pumped {
  readonly ours: number[];
  readonly outputs: PumpedOutput[];
  readonly stopped: Socket[];
}

/** The descriptor that the program writes to; what it writes is counted and passed on. */
export function pumpOut(
  binding: Binding,
  output: Output,
  counter: { left: number; readonly exceeded: () => void },
  { ours, outputs, stopped }: Pumped,
  onError: (cause: unknown) => void,
): number {
  const sink = output.sink();
  const [readEnd, writeEnd] = binding.pipe();
  ours.push(writeEnd);
  const pipe = new Socket({ fd: readEnd, readable: true, writable: false });
  passOn(pipe, sink, counter, () => {
    // Left full rather than closed: SIGPIPE would let the program choose how it ends.
    pipe.pause();
    stopped.push(pipe);
    counter.exceeded();
  });
  const ended = finished(pipe, { writable: false }).catch(() => undefined);
  const isOurs = output.awaited === false;
  // A reader that went away ends the program by SIGPIPE, as it would without us. Only a stream of the caller's has failed then.
  const gone = (cause?: Error): void => {
    if (pipe.destroyed) return;
    pipe.destroy();
    if (cause !== undefined || !isOurs) onError(cause ?? new Error("it was closed before the program's end"));
  };
  const closed = (): void => {
    gone();
  };
  if (sink.destroyed) gone(sink.errored ?? undefined);
  sink.on("error", gone);
  sink.on("close", closed);
  const flow = isOurs ? ended.then(() => void sink.end()) : ended.then(async () => flushed(sink));
  if (!isOurs) {
    // It may be there for other programs, too.
    outputs.push({ pipe, flow: flow.finally(() => sink.off("error", gone).off("close", closed)) });
  }
  return writeEnd;
}

/** Passes on what `counter` has left, at the sink's pace; `onExceeded` is called once, and what comes then is nobody's. */
export function passOn(
  source: Readable,
  sink: Writable,
  counter: { left: number },
  onExceeded: () => void,
): void {
  source.on("data", (chunk: Buffer) => {
    const part = chunk.subarray(0, Math.max(0, counter.left));
    counter.left -= chunk.length;
    if (part.length > 0 && !sink.write(part)) {
      source.pause();
      sink.once("drain", () => source.resume());
    }
    if (counter.left < 0) {
      source.removeAllListeners("data");
      onExceeded();
    }
  });
}

/** A sink may still hold what was written to it, and the process may exit as soon as the run is over. */
export async function flushed(sink: Writable): Promise<void> {
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

/** How long a pipe that somebody else still holds must have been silent, once the program has ended. */
const quietMs = 10;

export async function awaitQuiet({ pipe, flow }: PumpedOutput): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      if (pipe.isPaused()) timer?.refresh();
      else resolve();
    }, quietMs);
    pipe.on("data", () => timer?.refresh());
  });
  try {
    await Promise.race([flow, silence]);
  } finally {
    clearTimeout(timer);
    // Who writes on has nobody to read it: the run that the pipe belonged to is over.
    pipe.destroy();
  }
}
