import type net from "node:net";

import { RelaySocket } from "./relay-socket.js";

/** The peer did not do its part of a handshake: too long, too late, or gone. */
export class HandshakeError extends Error {
  override readonly name = "HandshakeError";
  readonly errno: "ETIMEDOUT" | "ECONNRESET" | "EPROTO";

  constructor(errno: "ETIMEDOUT" | "ECONNRESET" | "EPROTO", message: string) {
    super(message);
    this.errno = errno;
  }
}

/** What the bytes begin with, and how many of them that is; undefined while more are needed. */
export type Recognize<T> = (bytes: Buffer) => { readonly value: T; readonly length: number } | undefined;

const mostBytes = 64 * 1024;

/**
 * Reads a protocol's opening from a socket, bounded in bytes and time. It reads no more than it is asked for, a chunk at a time, so that
 * a flood waits in the kernel.
 */
export class HandshakeReader {
  readonly #socket: net.Socket;
  readonly #timer: NodeJS.Timeout;
  #bytes = Buffer.alloc(0);
  #failure: HandshakeError | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: net.Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#fail("ETIMEDOUT", "a handshake took too long"), timeoutMs);
    socket.on("end", this.#gone).on("error", this.#gone).on("close", this.#gone);
    if (socket.destroyed) this.#gone();
    if (!(socket instanceof RelaySocket)) socket.pause().on("data", this.#take);
  }

  async take<T>(recognize: Recognize<T>): Promise<T> {
    for (;;) {
      const found = recognize(this.#bytes);
      if (found !== undefined) {
        this.#bytes = this.#bytes.subarray(found.length);
        return found.value;
      }
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#bytes.length > mostBytes)
        throw new HandshakeError("EPROTO", "a handshake of more than 64 KiB");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        if (this.#socket instanceof RelaySocket) this.#socket.readInto((chunk) => this.#take(chunk));
        else this.#socket.resume();
      });
    }
  }

  /** Stops reading; what was read and not taken. It cannot be put back: a FIN behind it may have been seen. */
  release(): Buffer {
    clearTimeout(this.#timer);
    this.#socket.pause();
    this.#socket.off("data", this.#take).off("end", this.#gone).off("close", this.#gone);
    // The listener for errors stays: the connection may fail before the next reader listens.
    return this.#bytes;
  }

  readonly #take = (chunk: Buffer): boolean => {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#socket.pause();
    this.#wake?.();
    return false;
  };

  readonly #gone = (): void => this.#fail("ECONNRESET", "the connection closed during a handshake");

  #fail(errno: HandshakeError["errno"], message: string): void {
    this.#failure ??= new HandshakeError(errno, message);
    this.#wake?.();
  }
}

/** So many bytes, whatever they are. */
export function bytes(length: number): Recognize<Buffer> {
  return (seen) =>
    seen.length < length ? undefined : { value: Buffer.from(seen.subarray(0, length)), length };
}
