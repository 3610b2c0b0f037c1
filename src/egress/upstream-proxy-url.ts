import type { Parsed } from "../policy/parsed.js";
import { formatAuthority, parseAuthority } from "./authority.js";
import type { ProxyTarget } from "./proxy-target.js";

/** The proxy through which this host reaches the outside. */
export interface UpstreamProxy {
  readonly kind: "http" | "socks5";
  readonly proxy: ProxyTarget;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

const schemes: Readonly<Record<string, { readonly kind: "http" | "socks5"; readonly port: number }>> = {
  "http:": { kind: "http", port: 80 },
  "socks:": { kind: "socks5", port: 1080 },
  "socks5:": { kind: "socks5", port: 1080 },
  "socks5h:": { kind: "socks5", port: 1080 },
};

/** `http://user:password@proxy.example:3128` or `socks5://…`; without a scheme, HTTP. Messages do not repeat the password. */
export function parseProxyUrl(text: string): Parsed<UpstreamProxy> {
  const parts = /^(?:([a-z][a-z0-9+.-]*:)\/\/)?(?:([^/@]*)@)?([^/?#@]*)\/?$/i.exec(text);
  const [, written = "http:", credentials, authority = ""] = parts ?? [];
  const scheme = schemes[written.toLowerCase()];
  if (parts === null) return { problem: "the proxy is not given as scheme://host:port" };
  if (scheme === undefined)
    return { problem: `a proxy of the scheme ${written.slice(0, -1)} is not supported: use http or socks5` };
  const host = parseAuthority(authority);
  if (host === undefined) return { problem: "the proxy's host or port is not valid" };
  try {
    const [user, ...password] = credentials?.split(":").map(decodeURIComponent) ?? [];
    return {
      value: {
        kind: scheme.kind,
        proxy: { ...host, port: host.port ?? scheme.port },
        user,
        password: password.length === 0 ? undefined : password.join(":"),
      },
    };
  } catch {
    return { problem: "the proxy's user or password has a % that is no escape; write it as %25" };
  }
}

/** For messages and the record. */
export function formatProxy({ kind, proxy }: UpstreamProxy): string {
  return `${kind}://${formatAuthority(proxy)}`;
}
