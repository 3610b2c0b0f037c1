import { isIP } from "node:net";

/** Where a request wants to go, parsed once: what is judged is what is resolved and dialled. */
export interface Authority {
  /** A host name in lower-case A-labels without trailing dot, or an address as net.isIP takes it, without brackets. */
  readonly host: string;
  readonly kind: "name" | "address";
  readonly port: number | undefined;
}

/**
 * `host`, `host:port` or `[v6]:port` as in RFC 3986, section 3.2, without user information. Undefined for whatever two parsers
 * could read in two ways: NUL, "@", spaces, percent signs, empty labels, a trailing dot, addresses in odd spellings.
 */
export function parseAuthority(text: string): Authority | undefined {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::([0-9]{1,5}))?$/i.exec(text);
  if (parts === null) return undefined;
  const [, bracketed, plain, digits] = parts;
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && (port < 1 || port > 65535)) return undefined;
  if (bracketed !== undefined)
    return isIP(bracketed) === 6 ? { host: bracketed.toLowerCase(), kind: "address", port } : undefined;
  const destination = parseHost(plain ?? "");
  return destination === undefined ? undefined : { ...destination, port };
}

/** A host without port or brackets: a name or an address. */
export function parseHost(text: string): Pick<Authority, "host" | "kind"> | undefined {
  if (isIP(text) !== 0 && !text.includes("%")) return { host: text.toLowerCase(), kind: "address" };
  const host = normalizeHostName(text);
  // inet_aton(3) takes 127.1, 0x7f.1 and 2130706433 for addresses: no name may end like one.
  if (host === undefined || /(^|\.)(\d+|0x[0-9a-f]*)$/.test(host)) return undefined;
  return { host, kind: "name" };
}

/** RFC 1123, section 2.1, in lower case; `_` is let pass, as resolvers do. Names from the wire are A-labels already. */
export function normalizeHostName(text: string): string | undefined {
  if (text.length > 253) return undefined;
  const name = text.toLowerCase();
  return name.split(".").every((label) => label.length <= 63 && hostLabel.test(label)) ? name : undefined;
}

const hostLabel = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/;

export function formatAuthority({ host, port }: Pick<Authority, "host" | "port">): string {
  const written = isIP(host) === 6 ? `[${host}]` : host;
  return port === undefined ? written : `${written}:${port}`;
}
