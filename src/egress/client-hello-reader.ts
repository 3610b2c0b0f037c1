/** Why the bytes are not what they should be; the message is for the record. */
export class HelloError extends Error {
  override readonly name = "HelloError";
}

/** Takes the vectors of TLS's presentation language (RFC 8446, section 3) off the front of some bytes. */
export class VectorReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  number(width: 1 | 2): number {
    const taken = this.take(width);
    return taken.readUIntBE(0, width);
  }

  take(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw new HelloError("a length points beyond its end");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** `opaque x<least..>` with a length of `width` bytes. */
  vector(width: 1 | 2, least = 0): Buffer {
    const length = this.number(width);
    if (length < least) throw new HelloError("a part is shorter than it may be");
    return this.take(length);
  }
}
