import { once } from "node:events";

/** A stream that waits where its reader is slow, and that may be closed from the other end: `skillbox audit FILE | head`. */
export class Output {
  readonly #stream: NodeJS.WritableStream;
  #closed = false;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
    stream.on("error", this.#onEnd);
    stream.on("close", this.#onEnd);
  }

  /** Whether nobody reads any more. */
  get closed(): boolean {
    return this.#closed;
  }

  async write(text: string): Promise<void> {
    if (text === "" || this.#closed || this.#stream.write(text)) return;
    const abort = new AbortController();
    const { signal } = abort;
    try {
      // An error rejects, and has been noted above.
      await Promise.race([once(this.#stream, "drain", { signal }), once(this.#stream, "close", { signal })]);
    } catch {
      this.#closed = true;
    } finally {
      abort.abort();
    }
  }

  /** Lets go of the stream, which is not ours. */
  release(): void {
    this.#stream.off("error", this.#onEnd);
    this.#stream.off("close", this.#onEnd);
  }

  readonly #onEnd = (): void => {
    this.#closed = true;
  };
}
