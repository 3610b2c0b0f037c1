import { type ClientHello, readClientHello } from "./client-hello-body.js";
import { HelloError } from "./client-hello-reader.js";

export type ClientHelloResult =
  | { readonly kind: "need-more" }
  | ({ readonly kind: "hello" } & ClientHello)
  /** The first bytes are not those of a TLS record. */
  | { readonly kind: "not-tls" }
  /** TLS, but not in a form that can be judged. */
  | { readonly kind: "malformed"; readonly why: string };

/** Key shares for post-quantum groups make hellos of 2 KiB; servers stop at 16 or 18. */
const longestHello = 16 * 1024;

/** ContentType (RFC 8446, section 5.1): change_cipher_spec, alert, handshake, application_data, heartbeat. */
const firstContentType = 20;
const handshakeContentType = 22;
const lastContentType = 24;

const needMore = { kind: "need-more" } as const;
const notTls = { kind: "not-tls" } as const;

/**
 * Reads a ClientHello from the first bytes of a connection, as few or as many at a time as they come, over as many records as it
 * is split into. The first answer other than need-more is final. Memory and work are bounded by the size of the longest hello; how
 * long to wait is the caller's affair.
 */
export class ClientHelloParser {
  readonly #header: number[] = [];
  readonly #fragments: Buffer[] = [];
  #recordLeft = 0;
  /** Of the handshake message, its own header of four bytes included. */
  #collected = 0;
  /** 4 until the message's own header is there. */
  #wanted = 4;
  #seen = 0;
  #result: ClientHelloResult = needMore;

  /** How many of the bytes were needed. */
  get consumed(): number {
    return this.#seen;
  }

  push(chunk: Buffer): ClientHelloResult {
    for (let at = 0; at < chunk.length && this.#result.kind === "need-more";) {
      if (this.#seen > 2 * longestHello) return (this.#result = malformed("too many small records"));
      const taken =
        this.#recordLeft === 0 ? this.#readHeader(chunk[at] ?? 0) : this.#readFragment(chunk.subarray(at));
      this.#seen += taken;
      at += taken;
    }
    return this.#result;
  }

  /** TLSPlaintext (RFC 8446, section 5.1): type, version, length. */
  #readHeader(byte: number): number {
    this.#header.push(byte);
    const [type = 0, major = 3, , high = 0, low = 0] = this.#header;
    const first = this.#collected === 0;
    if (first && (type < firstContentType || type > lastContentType))
      this.#result = this.#readVersion2Header();
    // An alert before the hello is one that OpenSSL reads over: whatever begins like a record must be a hello.
    // Of the version, servers look at the first byte alone.
    else if (major !== 3) this.#result = first ? notTls : malformed("a record of another version");
    else if (this.#header.length >= 3 && type !== handshakeContentType)
      this.#result = malformed("a record before the ClientHello");
    else if (this.#header.length === 5) {
      this.#recordLeft = high * 256 + low;
      this.#header.length = 0;
      if (this.#recordLeft === 0 || this.#recordLeft > 2 ** 14)
        this.#result = malformed("a record of impossible length");
    }
    return 1;
  }

  /** A hello in SSL 2.0's form (RFC 5246, appendix E.2) carries no extensions and so no name. */
  #readVersion2Header(): ClientHelloResult {
    const [high = 0, , type = 1, major = 3, minor = 2] = this.#header;
    const isVersion = major === 3 || (major === 0 && minor === 2);
    if (high < 0x80 || type !== 1 || !isVersion) return notTls;
    if (this.#header.length < 5) return needMore;
    return {
      kind: "hello",
      serverName: undefined,
      alpn: [],
      hasEncryptedClientHello: false,
      offersEarlyData: false,
    };
  }

  #readFragment(bytes: Buffer): number {
    const taken = bytes.subarray(0, Math.min(this.#recordLeft, this.#wanted - this.#collected));
    // The chunk may be a buffer that is read into again.
    this.#fragments.push(Buffer.from(taken));
    this.#recordLeft -= taken.length;
    this.#collected += taken.length;
    if (this.#collected === this.#wanted) this.#result = this.#readMessage();
    return taken.length;
  }

  #readMessage(): ClientHelloResult {
    const message = Buffer.concat(this.#fragments);
    if (message[0] !== 1) return malformed("a handshake message other than ClientHello");
    this.#wanted = 4 + message.readUIntBE(1, 3);
    if (this.#wanted > longestHello) return malformed("a ClientHello of more than 16 KiB");
    if (message.length < this.#wanted) return needMore;
    // RFC 8446, section 5.1: nothing else can be in a record with it, the key may change after it.
    if (this.#recordLeft > 0) return malformed("bytes after the ClientHello in its record");
    try {
      return { kind: "hello", ...readClientHello(message.subarray(4)) };
    } catch (error) {
      if (error instanceof HelloError) return malformed(error.message);
      throw error;
    }
  }
}

function malformed(why: string): ClientHelloResult {
  return { kind: "malformed", why };
}
