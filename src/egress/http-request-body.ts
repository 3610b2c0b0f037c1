import type { BodyFraming } from "./http-request-framing.js";

/** How many bytes of the chunk belong to the body, and whether that was the last of it. */
export type BodyStep =
  | { readonly kind: "body"; readonly length: number; readonly done: boolean }
  | { readonly kind: "malformed"; readonly length: number; readonly why: string };

/** chunk-size with extensions, and trailers, may be as long as this. */
const longestLine = 4 * 1024;
const mostTrailers = 64;

/** Follows a request body to its end without keeping any of it (RFC 9112, sections 6.2 and 7.1). */
export class HttpBodyReader {
  readonly #chunked: boolean;
  /** Of the body, or of the current chunk with its CRLF. */
  #left: number;
  #line = "";
  #inTrailers = false;
  #trailers = 0;

  constructor(framing: BodyFraming) {
    this.#chunked = framing.kind === "chunked";
    this.#left = framing.kind === "length" ? framing.bytes : 0;
  }

  push(chunk: Buffer): BodyStep {
    if (!this.#chunked) {
      const length = Math.min(this.#left, chunk.length);
      this.#left -= length;
      return { kind: "body", length, done: this.#left === 0 };
    }
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 2) {
        const length = Math.min(this.#left - 2, chunk.length - at);
        this.#left -= length;
        at += length;
        continue;
      }
      const problem = this.#readByte(chunk[at] ?? 0);
      if (problem === "end") return { kind: "body", length: at + 1, done: true };
      if (problem !== undefined) return { kind: "malformed", length: at, why: problem };
      at++;
    }
    return { kind: "body", length: chunk.length, done: false };
  }

  /** A byte of the CRLF after a chunk, or of a line. "end", what is wrong, or nothing. */
  #readByte(byte: number): string | undefined {
    if (this.#left > 0) {
      this.#left--;
      return byte === (this.#left === 1 ? 0x0d : 0x0a)
        ? undefined
        : "a chunk that does not end with its size";
    }
    if (byte !== 0x0a) {
      if (this.#line.endsWith("\r")) return "a bare CR in a chunked body";
      this.#line += String.fromCharCode(byte);
      return this.#line.length > longestLine ? "a line of more than 4 KiB in a chunked body" : undefined;
    }
    if (!this.#line.endsWith("\r")) return "a bare LF in a chunked body";
    const line = this.#line.slice(0, -1);
    this.#line = "";
    return this.#inTrailers ? this.#endTrailer(line) : this.#endSize(line);
  }

  #endSize(line: string): string | undefined {
    // eslint-disable-next-line no-control-regex -- what an extension may not hold
    const size = /^([0-9a-f]{1,12})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?$/i.exec(line)?.[1];
    if (size === undefined) return "a chunk size that is no number";
    const bytes = Number.parseInt(size, 16);
    this.#inTrailers = bytes === 0;
    this.#left = bytes === 0 ? 0 : bytes + 2;
    return undefined;
  }

  #endTrailer(line: string): string | undefined {
    if (line === "") return "end";
    return ++this.#trailers > mostTrailers ? "too many trailers" : undefined;
  }
}
