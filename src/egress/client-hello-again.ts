import { ClientHelloParser, type ClientHelloResult } from "./client-hello.js";

export type AgainStep =
  /** `forward` may go on; what may be the beginning of a hello is kept. */
  | { readonly kind: "watching"; readonly forward: Buffer }
  | {
      readonly kind: "again";
      readonly forward: Buffer;
      readonly held: Buffer;
      readonly result: ClientHelloResult;
    }
  /** No other hello can come that a server would take. */
  | { readonly kind: "done"; readonly forward: Buffer };

const changeCipherSpec = 20;
const handshake = 22;
const applicationData = 23;
const clientHello = 1;
/** A record's header and the type of the message that it begins with. */
const enough = 6;

/**
 * Watches for the second ClientHello, which answers a HelloRetryRequest (RFC 8446, section 4.1.2). It ought to ask for the name that
 * the first one asked for; not every server compares. Before it come change_cipher_spec and early data, if any.
 */
export class SecondHelloWatch {
  readonly #earlyData: boolean;
  #skip = 0;
  #held = Buffer.alloc(0);
  #parser: ClientHelloParser | undefined;

  constructor(earlyData: boolean) {
    this.#earlyData = earlyData;
  }

  get held(): Buffer {
    return this.#held;
  }

  push(chunk: Buffer): AgainStep {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    let at = 0;
    while (this.#parser === undefined) {
      const skipped = Math.min(this.#skip, bytes.length - at);
      this.#skip -= skipped;
      at += skipped;
      const [type] = bytes.subarray(at);
      const passes = type === changeCipherSpec || (type === applicationData && this.#earlyData);
      if (type !== undefined && type !== handshake && !passes) return { kind: "done", forward: bytes };
      if (bytes.length - at < enough) return this.#keep(bytes, at);
      if (passes) this.#skip = 5 + bytes.readUInt16BE(at + 3);
      else if (bytes[at + 5] !== clientHello) return { kind: "done", forward: bytes };
      else return this.#parse((this.#parser = new ClientHelloParser()), bytes, at, bytes.subarray(at));
    }
    return this.#parse(this.#parser, bytes, 0, chunk);
  }

  #parse(parser: ClientHelloParser, bytes: Buffer, at: number, news: Buffer): AgainStep {
    const result = parser.push(news);
    if (result.kind === "need-more") return this.#keep(bytes, at);
    return { kind: "again", forward: bytes.subarray(0, at), held: bytes.subarray(at), result };
  }

  #keep(bytes: Buffer, at: number): AgainStep {
    this.#held = Buffer.from(bytes.subarray(at));
    return { kind: "watching", forward: bytes.subarray(0, at) };
  }
}
