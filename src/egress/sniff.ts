import type { ClientHello } from "./client-hello-body.js";
import { ClientHelloParser } from "./client-hello.js";

export type Sniffed =
  | { readonly kind: "need-more" }
  | {
      readonly kind: "tls";
      readonly hello: ClientHello;
      /** Of the hello, in bytes. */ readonly length: number;
    }
  /** A request line, well formed or not: whatever a server might take for one. */
  | { readonly kind: "http" }
  /** Neither: ssh, SMTP, PostgreSQL, Redis… TLS that such a protocol begins later (STARTTLS) is not looked at. */
  | { readonly kind: "opaque" }
  | { readonly kind: "malformed"; readonly why: string };

/** A server that reads longer request lines than this is not known. */
const longestLine = 16 * 1024;

const needMore = { kind: "need-more" } as const;
const opaque = { kind: "opaque" } as const;
const http = { kind: "http" } as const;

/**
 * Tells by the program's first bytes what it speaks. There is no deadline after which silence counts as an answer: the server's
 * bytes flow meanwhile, so that protocols in which it speaks first do not wait, and a program that holds back its ClientHello
 * gains nothing.
 */
export class Sniffer {
  #held = Buffer.alloc(0);
  #tls: ClientHelloParser | undefined;
  readonly #line = new RequestLineSniffer();

  /** Everything that was pushed. */
  get held(): Buffer {
    return this.#held;
  }

  /** So far the bytes could be the beginning of a request line, or a short word of another protocol that waits for its answer. */
  get mayBeText(): boolean {
    return this.#held.length > 0 && this.#tls === undefined;
  }

  push(chunk: Buffer): Sniffed {
    if (this.#held.length === 0 && isRecordStart(chunk[0] ?? 0)) this.#tls = new ClientHelloParser();
    this.#held = Buffer.concat([this.#held, chunk]);
    if (this.#tls === undefined) return this.#line.push(chunk);
    const result = this.#tls.push(chunk);
    switch (result.kind) {
      case "hello":
        return { kind: "tls", hello: result, length: this.#tls.consumed };
      case "not-tls":
        return opaque;
      case "need-more":
      case "malformed":
        return result;
    }
  }
}

/** TLS records, and SSL 2.0's with its high bit. */
function isRecordStart(byte: number): boolean {
  return (byte >= 20 && byte <= 24) || byte >= 0x80;
}

/**
 * Wider than the grammar on purpose: a line of printable text with "HTTP/" in it after a first word, or without it where the second
 * word looks like a target: llhttp reads header fields after a request line of HTTP/0.9 and of RTSP. What servers read leniently
 * is parsed strictly afterwards, and refused there, rather than pass as another protocol.
 */
class RequestLineSniffer {
  #part: "before" | "method" | "target" = "before";
  #length = 0;
  #method = "";
  #target = "";
  #last = "";

  push(chunk: Buffer): Sniffed {
    for (const byte of chunk) {
      const found = this.#next(byte);
      if (found.kind !== "need-more") return found;
    }
    return needMore;
  }

  #next(byte: number): Sniffed {
    if (++this.#length > longestLine) return { kind: "malformed", why: "a first line of more than 16 KiB" };
    if (this.#part === "before") {
      if (isSpace(byte) || byte === lineFeed) return needMore;
      this.#part = "method";
    }
    if (byte === lineFeed) return this.#looksLikeRequest() ? http : opaque;
    const char = String.fromCharCode(byte);
    if (this.#part === "method") {
      if (/[!#$%&'*+.^_`|~0-9a-z-]/i.test(char)) {
        if (this.#method.length < mostKept) this.#method += char;
        return needMore;
      }
      if (!isSpace(byte)) return opaque;
      this.#part = "target";
    }
    if (!isSpace(byte) && (byte < 0x20 || byte === 0x7f)) return opaque;
    if (this.#target.length < mostKept) this.#target = (this.#target + char).trimStart();
    this.#last = (this.#last + char.toUpperCase()).slice(-5);
    return this.#last === "HTTP/" ? http : needMore;
  }

  #looksLikeRequest(): boolean {
    // memcached's `get /key` passes; only upper case is a method to the parsers that are meant here.
    if (!/^[A-Z_-]+$/.test(this.#method)) return false;
    return this.#method === "CONNECT" || /^(\/|\*|[a-z][a-z0-9+.-]*:\/\/)/i.test(this.#target);
  }
}

/** Of the first two words; longer methods and schemes than this do not exist. */
const mostKept = 32;

const lineFeed = 0x0a;

/** What servers written in other languages split a request line at: more than the one space that the RFC has. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || (byte >= 0x0b && byte <= 0x0d) || (byte >= 0x1c && byte <= 0x1f);
}
