import { type Authority, parseAuthority } from "./authority.js";
import { bodyFraming, type BodyFraming } from "./http-request-framing.js";

export interface HttpRequest {
  readonly method: string;
  readonly target: string;
  readonly version: "1.0" | "1.1";
  /** From the Host field and, where the target names one too, the same there. Undefined where neither does. */
  readonly authority: Authority | undefined;
  readonly headers: readonly HttpHeader[];
  readonly framing: BodyFraming;
}

export interface HttpHeader {
  /** Lower case. */
  readonly name: string;
  readonly value: string;
  /** As received, without its end of line. */
  readonly line: string;
}

export type HttpHeadResult =
  | { readonly kind: "need-more" }
  | { readonly kind: "request"; readonly request: HttpRequest; readonly length: number }
  /** HTTP/2 by prior knowledge (RFC 9113, section 3.4): its names are compressed and cannot be judged here. */
  | { readonly kind: "http2" }
  | { readonly kind: "malformed"; readonly why: string };

/** nginx takes 32 KiB, node 16. */
const longestHead = 32 * 1024;

const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/**
 * Collects one request head (RFC 9112, sections 2 to 3), however it is cut into segments. What two servers could read in two ways
 * is malformed: bare CR or LF, folded lines, a space before the colon, two Hosts, a Host unlike the target's.
 */
export class HttpHeadParser {
  #head = Buffer.alloc(0);
  #scanned = 0;
  readonly #lines: string[] = [];
  #lineStart = 0;

  /** Everything that was pushed: the head, and what follows it once it is complete. */
  get collected(): Buffer {
    return this.#head;
  }

  push(chunk: Buffer): HttpHeadResult {
    this.#head = Buffer.concat([this.#head, chunk]);
    for (;;) {
      const end = this.#head.indexOf(lineFeed, this.#scanned);
      if (end >= longestHead || (end < 0 && this.#head.length >= longestHead))
        return malformed("a request head of more than 32 KiB");
      if (end < 0) break;
      if (this.#head[end - 1] !== carriageReturn || end === this.#lineStart)
        return malformed("a line without CR");
      const line = this.#head.toString("latin1", this.#lineStart, end - 1);
      this.#scanned = this.#lineStart = end + 1;
      if (line !== "") this.#lines.push(line);
      // RFC 9112, section 2.2: empty lines before the request line are skipped.
      else if (this.#lines.length > 0) return parseHead(this.#lines, end + 1);
      if (this.#lines.length === 1 && /^PRI \* HTTP\/2\.0$/.test(line)) return { kind: "http2" };
    }
    this.#scanned = this.#head.length;
    return { kind: "need-more" };
  }
}

function parseHead([first = "", ...fields]: readonly string[], length: number): HttpHeadResult {
  const requestLine = /^([!#$%&'*+.^_`|~0-9a-z-]+) ([\x21-\x7e\x80-\xff]+) HTTP\/(1\.[01])$/i.exec(first);
  if (requestLine === null) return malformed("the request line is not one of HTTP/1.0 or 1.1");
  const [, method = "", target = "", minor] = requestLine;
  const version = minor === "1.0" ? "1.0" : "1.1";
  const headers: HttpHeader[] = [];
  for (const field of fields) {
    // No name begins with a space, so that folded lines (section 5.2) fail too.
    // eslint-disable-next-line no-control-regex -- what a field may not hold
    const parts = /^([!#$%&'*+.^_`|~0-9a-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*$/i.exec(field);
    if (parts === null) return malformed("a header field that can be read in two ways");
    headers.push({ name: (parts[1] ?? "").toLowerCase(), value: parts[2] ?? "", line: field });
  }
  const authority = agreedAuthority(method, target, version, headers);
  if (typeof authority === "string") return malformed(authority);
  const framing = bodyFraming(method, version, headers);
  if (typeof framing === "string") return malformed(framing);
  return {
    kind: "request",
    request: { method, target, version, authority: authority.agreed, headers, framing },
    length,
  };
}

/** RFC 9112, section 3.2: one Host field, and no other host in the target. A string says what is wrong. */
function agreedAuthority(
  method: string,
  target: string,
  version: string,
  headers: readonly HttpHeader[],
): { readonly agreed: Authority | undefined } | string {
  const hosts = headers.filter(({ name }) => name === "host").map(({ value }) => value);
  if (hosts.length > 1) return "more than one Host";
  if (hosts.length === 0 && version === "1.1") return "no Host";
  const [written = ""] = hosts;
  const fromHost = parseAuthority(written);
  if (written !== "" && fromHost === undefined) return "a Host that is none";

  if (method !== "CONNECT" && (target.startsWith("/") || (target === "*" && method === "OPTIONS")))
    return { agreed: fromHost };
  const named = method === "CONNECT" ? target : /^(?:https?|wss?):\/\/([^/?#]*)/i.exec(target)?.[1];
  if (named === undefined) return "a request target in none of the four forms";
  const fromTarget = parseAuthority(named);
  if (fromTarget === undefined) return "a request target whose host is none";
  if (fromHost !== undefined && !sameAuthority(fromTarget, fromHost)) return "Host and request target differ";
  return { agreed: fromTarget };
}

/** Where one of them leaves out the port, the other may name it. */
function sameAuthority(a: Authority, b: Authority): boolean {
  return a.host === b.host && (a.port === b.port || a.port === undefined || b.port === undefined);
}

function malformed(why: string): HttpHeadResult {
  return { kind: "malformed", why };
}
