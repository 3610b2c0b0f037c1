import { networkInterfaces } from "node:os";

import { type Cidr, cidrContains, parseAddress, parseCidr } from "../policy/cidr.js";
import { embeddedAddresses, readAddress } from "./addresses.js";

/** Why an address is none of the public Internet's. */
export interface Special {
  /** "private", "loopback", "metadata", "loopback, as NAT64", … */
  readonly kind: string;
  /** A CIDR rule names the address when its prefix is at least that long: 10.0.0.0/8 does for 10.1.2.3, 0.0.0.0/0 does not. */
  readonly namedFrom: number;
}

export interface SpecialAddressesOptions {
  /** The host's own addresses at this moment; another object when they have changed. */
  readonly ownAddresses: () => Iterable<string>;
}

/**
 * Tells addresses that a name of the outside has no business to resolve to: those of the IANA special-purpose registries
 * (RFC 6890, 8190), cloud metadata services, the host itself, and IPv6 addresses that hold such an IPv4 address.
 *
 * A wide CIDR in a rule means the Internet; an address of these kinds has to be meant. So a rule counts for it only when
 * it lies within the special block: metadata services and the host's own addresses have to be named one by one.
 */
export class SpecialAddresses {
  readonly #ownAddresses: () => Iterable<string>;
  #read: Iterable<string> | undefined;
  #own: ReadonlySet<string> = new Set();

  constructor(options: SpecialAddressesOptions) {
    this.#ownAddresses = options.ownAddresses;
  }

  of(address: Cidr): Special | undefined {
    for (const { name, inner, prefixFor } of embeddedAddresses(address)) {
      const special = this.#plain(inner);
      if (special !== undefined)
        return { kind: `${special.kind}, as ${name}`, namedFrom: prefixFor(special.namedFrom) };
    }
    return this.#plain(address);
  }

  #plain(address: Cidr): Special | undefined {
    const closest = blocks.find(({ cidr }) => cidrContains(cidr, address));
    // Its address on lo does not make the host of the loopback network more than loopback.
    if (closest?.kind !== "loopback" && this.#isOwn(address))
      return { kind: "host", namedFrom: address.prefix };
    if (closest !== undefined)
      return closest.kind === "public" ? undefined : { kind: closest.kind, namedFrom: closest.cidr.prefix };
    return address.family === 6 && address.network >> 125n !== 1n
      ? { kind: "reserved", namedFrom: 3 }
      : undefined;
  }

  #isOwn(address: Cidr): boolean {
    const texts = this.#ownAddresses();
    if (texts !== this.#read) {
      this.#read = texts;
      this.#own = new Set(Array.from(texts, (text) => keyOf(readAddress(text))));
    }
    return this.#own.has(keyOf(address));
  }
}

function keyOf(address: Cidr | undefined): string {
  return address === undefined ? "" : `${address.family} ${address.network}`;
}

/** Reads the interfaces again when what was read is older than a second: hosts roam, and each reading costs system calls. */
export function hostAddresses(now: () => number = () => performance.now()): () => readonly string[] {
  let read: readonly string[] = [];
  let readAt = -Infinity;
  return () => {
    if (now() - readAt > 1000) {
      read = Object.values(networkInterfaces()).flatMap((addresses) =>
        (addresses ?? []).map(({ address }) => address),
      );
      readAt = now();
    }
    return read;
  };
}

interface Block {
  readonly kind: string;
  readonly cidr: Cidr;
}

/** "public" takes a block out of a wider one. */
const blocksByKind: Readonly<Record<string, readonly string[]>> = {
  // AWS, Azure, OpenStack, GCP; AWS's for containers; Alibaba; Azure's host agent; Oracle; AWS and GCP over IPv6.
  metadata: [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
  ],
  "this network": ["0.0.0.0/8", "::"],
  loopback: ["127.0.0.0/8", "::1"],
  private: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
  "shared (CGNAT)": ["100.64.0.0/10"],
  "link-local": ["169.254.0.0/16", "fe80::/10"],
  "unique local": ["fc00::/7"],
  "site-local": ["fec0::/10"],
  multicast: ["224.0.0.0/4", "ff00::/8"],
  broadcast: ["255.255.255.255"],
  documentation: ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"],
  benchmarking: ["198.18.0.0/15", "2001:2::/48"],
  "protocol assignments": ["192.0.0.0/24", "2001::/23"],
  reserved: ["240.0.0.0/4", "5f00::/16"],
  discard: ["100::/64"],
  "6to4 relay": ["192.88.99.0/24"],
  "6to4": ["2002::/16"],
  Teredo: ["2001::/32"],
  NAT64: ["64:ff9b:1::/48"],
  "IPv4-compatible": ["::/96"],
  "IPv4-translated": ["::ffff:0:0:0/96"],
  // A host with nothing but IPv6 reaches IPv4 servers under this prefix; what stands inside is judged by itself.
  public: ["64:ff9b::/96"],
};

/** Longest prefix first, so that the first that contains an address is the closest. */
const blocks: readonly Block[] = Object.entries(blocksByKind)
  .flatMap(([kind, texts]) => texts.map((text) => ({ kind, cidr: block(text) })))
  .sort((a, b) => b.cidr.prefix - a.cidr.prefix);

function block(text: string): Cidr {
  const parsed = text.includes("/") ? parseCidr(text) : parseAddress(text);
  if ("problem" in parsed) throw new TypeError(parsed.problem);
  return parsed.value;
}
