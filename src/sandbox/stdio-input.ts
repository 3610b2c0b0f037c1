import { createReadStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import type { Binding } from "../native/binding.js";
import type { Input } from "./stdio.js";

/** What is let go of when the program has ended. */
interface Held {
  readonly ours: number[];
  readonly stopped: Socket[];
}

/** The descriptor that the program reads from. */
export function openInput(
  binding: Binding,
  input: Input,
  held: Held,
  onError: (cause: unknown) => void,
): number {
  if ("fd" in input) {
    if (!fstatSync(input.fd).isFile()) return input.fd;
    return pumpIn(binding, createReadStream("", { fd: input.fd, autoClose: false }), held, onError);
  }
  if ("source" in input) return pumpIn(binding, input.source, held, onError);
  const { pipe, readEnd } = openInputPipe(binding, held);
  input.connect(pipe);
  return readEnd;
}

function pumpIn(
  binding: Binding,
  source: AsyncIterable<Uint8Array | string>,
  held: Held,
  onError: (cause: unknown) => void,
): number {
  const { pipe, readEnd } = openInputPipe(binding, held);
  feed(source, pipe).catch((cause: unknown) => {
    pipe.destroy();
    onError(cause);
  });
  // What nobody reads must not keep the process alive.
  pipe.unref();
  return readEnd;
}

function openInputPipe(
  binding: Binding,
  { ours, stopped }: Held,
): { readonly pipe: Socket; readonly readEnd: number } {
  const [readEnd, writeEnd] = binding.pipe();
  ours.push(readEnd);
  const pipe = new Socket({ fd: writeEnd, readable: false, writable: true });
  // A program that does not read its input to the end is no error.
  pipe.on("error", () => undefined);
  // Nor is a source that never ends.
  stopped.push(pipe);
  return { pipe, readEnd };
}

/**
 * What pipe() does, which compares its target with process.stdout: to touch that makes the caller's stdout non-blocking,
 * and the program, which shares it, fails to write with EAGAIN. Rejects with an error of the source's, not of the pipe's.
 */
async function feed(source: AsyncIterable<Uint8Array | string>, target: Socket): Promise<void> {
  for await (const chunk of source) {
    if (target.destroyed) return;
    if (!target.write(chunk)) await drained(target);
  }
  target.end();
}

async function drained(target: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      target.off("drain", done).off("close", done);
      resolve();
    };
    target.on("drain", done).on("close", done);
  });
}
