import net from "node:net";

/** Takes the bytes that were read; they are overwritten once it returned true. After false nothing is read until resume(). */
export type ChunkSink = (chunk: Buffer) => boolean;

/**
 * A socket that reads into one buffer of its own rather than into 64 KiB fresh from malloc each time, which is what makes
 * node's own streams slow as a relay. Nothing is read before `readInto` names a sink; the pages of the buffer cost memory
 * only once they have been read into, so that an idle or a chatty connection stays small.
 */
export class RelaySocket extends net.Socket {
  readonly #reading: { sink: ChunkSink | undefined };
  #putBack: Buffer | undefined;

  constructor() {
    const reading: { sink: ChunkSink | undefined } = { sink: undefined };
    const buffer = Buffer.allocUnsafeSlow(bufferBytes);
    const callback = (length: number): boolean => reading.sink?.(buffer.subarray(0, length)) ?? false;
    // The constructor takes `onread` (net.connect passes it on); its type does not say so.
    const options = { allowHalfOpen: true, onread: { buffer, callback } };
    super(options);
    this.#reading = reading;
    // Else node reads as soon as the connection stands, and there is nobody to take the bytes yet.
    this.pause();
  }

  readInto(sink: ChunkSink): void {
    this.#reading.sink = sink;
    const first = this.#putBack;
    this.#putBack = undefined;
    if (first === undefined || sink(first)) this.resume();
  }

  /** Stops reading; the next sink gets these bytes before any other. */
  putBack(bytes: Buffer): void {
    this.pause();
    if (bytes.length > 0) this.#putBack = bytes;
  }
}

const bufferBytes = 256 * 1024;
