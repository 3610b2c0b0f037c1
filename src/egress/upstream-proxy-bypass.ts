import { type Cidr, cidrContains, parseAddress, parseCidr } from "../policy/cidr.js";
import { parseAuthority } from "./authority.js";
import type { ProxyTarget } from "./proxy-target.js";

/** NO_PROXY: what is reached without the upstream proxy. */
export interface ProxyBypass {
  readonly everything: boolean;
  readonly entries: readonly BypassEntry[];
}

type BypassEntry =
  | { readonly kind: "domain"; readonly domain: string; readonly port: number | undefined }
  | { readonly kind: "block"; readonly cidr: Cidr; readonly port: number | undefined };

/**
 * A list separated by commas or spaces: a domain (itself and what is below it, with or without a leading dot or `*.`), an address, a
 * CIDR, each domain or address with a port if it is for that alone, or `*`. This is what curl and Go have in common, and more than
 * either; entries that are none of these are skipped, as everywhere.
 */
export function parseNoProxy(text: string): ProxyBypass {
  const written = text.split(/[\s,]+/).filter((entry) => entry !== "");
  const entries = written.flatMap((entry) => parseEntry(entry) ?? []);
  return { everything: written.includes("*"), entries };
}

export function bypassesProxy({ everything, entries }: ProxyBypass, target: ProxyTarget): boolean {
  const address = target.kind === "address" ? parseAddress(target.host) : undefined;
  return (
    everything ||
    entries.some((entry) => {
      if (entry.port !== undefined && entry.port !== target.port) return false;
      if (entry.kind === "block")
        return address !== undefined && "value" in address && cidrContains(entry.cidr, address.value);
      return (
        target.kind === "name" && (target.host === entry.domain || target.host.endsWith(`.${entry.domain}`))
      );
    })
  );
}

function parseEntry(entry: string): BypassEntry | undefined {
  const block = entry.includes("/") ? parseCidr(entry) : parseAddress(entry);
  if ("value" in block) return { kind: "block", cidr: block.value, port: undefined };
  const [, name = "", port] = /^(?:\*?\.)?(.*?)\.?(?::(\d+))?$/.exec(entry) ?? [];
  const authority = parseAuthority(port === undefined ? name : `${name}:${port}`);
  if (authority === undefined) return undefined;
  if (authority.kind === "address") {
    const address = parseAddress(authority.host);
    return "value" in address ? { kind: "block", cidr: address.value, port: authority.port } : undefined;
  }
  return { kind: "domain", domain: authority.host, port: authority.port };
}
