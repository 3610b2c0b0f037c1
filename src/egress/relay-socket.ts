import net from "node:net";

/** Takes the bytes that were read; they are overwritten once it returned true. After false nothing is read until resume(). */
export type ChunkSink = (chunk: Buffer) => boolean;

/** As much as most exchanges need at once, and as much as the kernel queues for a fast one: half the CPU time a byte. */
const firstBytes = 32 * 1024;
const bulkBytes = 512 * 1024;

/**
 * A socket that reads into one buffer of its own rather than into 64 KiB fresh from malloc each time, which is what makes node's own
 * streams slow as a relay. Nothing is read before `readInto` names a sink.
 */
export class RelaySocket extends net.Socket {
  readonly #reading: { sink: ChunkSink | undefined };
  #putBack: Buffer | undefined;

  /** `fd`: an unconnected socket to use instead of a new one. Taken over. */
  constructor(fd?: number) {
    const reading: { sink: ChunkSink | undefined } = { sink: undefined };
    let current = Buffer.allocUnsafeSlow(firstBytes);
    let filled = false;
    const callback = (length: number): boolean => {
      filled = length === current.length;
      return reading.sink?.(current.subarray(0, length)) ?? false;
    };
    // Asked for after each chunk; the one before may still be waiting to be written.
    const buffer = (): Buffer => {
      if (filled && current.length < bulkBytes) current = Buffer.allocUnsafeSlow(bulkBytes);
      return current;
    };
    // The constructor takes `onread` (net.connect passes it on); its type does not say so.
    const adopted = fd === undefined ? {} : { fd, pauseOnCreate: true };
    const options = { allowHalfOpen: true, onread: { buffer, callback }, ...adopted };
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
