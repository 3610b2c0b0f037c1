import { once } from "node:events";
import { createReadStream, fstatSync } from "node:fs";
import { Socket } from "node:net";
import type { Binding } from "../native/binding.js";
import type { Input } from "./stdio.js";

/** The descriptor that the program reads from; `ours` are to be closed once the program has it. */
export function openInput(
  binding: Binding,
  input: Input,
  ours: number[],
  onError: (cause: unknown) => void,
): number {
  if ("fd" in input) {
    if (!fstatSync(input.fd).isFile()) return input.fd;
    return pumpIn(binding, createReadStream("", { fd: input.fd, autoClose: false }), ours, onError);
  }
  if ("source" in input) return pumpIn(binding, input.source, ours, onError);
  const { pipe, readEnd } = openInputPipe(binding, ours);
  input.connect(pipe);
  return readEnd;
}

function pumpIn(
  binding: Binding,
  source: AsyncIterable<Uint8Array | string>,
  ours: number[],
  onError: (cause: unknown) => void,
): number {
  const { pipe, readEnd } = openInputPipe(binding, ours);
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
  ours: number[],
): { readonly pipe: Socket; readonly readEnd: number } {
  const [readEnd, writeEnd] = binding.pipe();
  ours.push(readEnd);
  const pipe = new Socket({ fd: writeEnd, readable: false, writable: true });
  // A program that does not read its input to the end is no error.
  pipe.on("error", () => undefined);
  return { pipe, readEnd };
}

/**
 * What pipe() does, which compares its target with process.stdout: to touch that makes the caller's stdout non-blocking,
 * and the program, which shares it, fails to write with EAGAIN. Rejects with an error of the source's, not of the pipe's.
 */
async function feed(source: AsyncIterable<Uint8Array | string>, target: Socket): Promise<void> {
  for await (const chunk of source) {
    if (target.destroyed) return;
    if (!target.write(chunk)) await once(target, "drain").catch(() => undefined);
  }
  target.end();
}
