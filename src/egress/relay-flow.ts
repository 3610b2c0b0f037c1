import type net from "node:net";

import { RelaySocket } from "./relay-socket.js";

/** What of a chunk may go on; undefined for nothing yet. It must copy what it keeps. */
export type Take = (chunk: Buffer) => Buffer | undefined;

/** Beyond this many bytes that the receiver has not taken, the sender is not read any more. */
const waitingBytes = 256 * 1024;

/**
 * One direction of a relay: bytes go on as they come, and reading waits while the receiver does not keep up. Not
 * stream.pipe(): it stops and starts reading around every chunk of 64 KiB, because write() reports a full buffer even when
 * the kernel has taken the chunk at once, and it compares with process.stdout, which makes a shared pipe non-blocking.
 */
export function startFlow(from: net.Socket, to: net.Socket, take: Take, early?: Buffer): void {
  // A reusable buffer belongs to the pending write until that is done.
  const reuses = from instanceof RelaySocket;
  const most = reuses ? 0 : waitingBytes;
  let waiting = false;

  const written = (): void => {
    if (!waiting || to.writableLength > 0) return;
    waiting = false;
    from.resume();
  };
  const deliver = (chunk: Buffer): boolean => {
    const bytes = take(chunk);
    if (bytes === undefined || bytes.length === 0 || !to.writable) return true;
    to.write(bytes, written);
    waiting = to.writableLength > most;
    return !waiting;
  };

  // Not at once: the caller has no hold of the relay yet. Nothing is read before it either.
  if (early !== undefined && early.length > 0)
    queueMicrotask(() => {
      if (!deliver(early)) from.pause();
    });
  if (reuses) {
    from.readInto(deliver);
    return;
  }
  from.on("data", (chunk: Buffer) => {
    if (!deliver(chunk)) from.pause();
  });
  from.resume();
}
