import { Writable } from "node:stream";

/** What is kept of a stream, and how much of it was not. */
export class Captured extends Writable {
  readonly #limit: number;
  readonly #onChunk: ((chunk: Buffer) => unknown) | undefined;
  readonly #chunks: Buffer[] = [];
  #kept = 0;
  #discarded = 0;

  constructor(limit: number, onChunk: ((chunk: Buffer) => unknown) | undefined) {
    super({ decodeStrings: true });
    this.#limit = limit;
    this.#onChunk = onChunk;
  }

  /** Bytes that were written beyond the limit. */
  get discarded(): number {
    return this.#discarded;
  }

  /** UTF-8; a character that the limit cut, or that is none, is U+FFFD. */
  text(): string {
    return Buffer.concat(this.#chunks, this.#kept).toString("utf8");
  }

  override _write(chunk: Buffer, _encoding: string, callback: (error?: Error) => void): void {
    const part = chunk.subarray(0, this.#limit - this.#kept);
    if (part.length > 0) this.#chunks.push(part);
    this.#kept += part.length;
    this.#discarded += chunk.length - part.length;
    this.#tell(chunk).then(
      () => {
        callback();
      },
      (error: unknown) => {
        callback(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  async #tell(chunk: Buffer): Promise<void> {
    await this.#onChunk?.(chunk);
  }
}
