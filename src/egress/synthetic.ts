import { type Cidr, cidrContains } from "../policy/cidr.js";
import { addressText, readAddress } from "./addresses.js";
import { canonicalName } from "./names.js";

export interface SyntheticPair {
  readonly ipv4: string;
  readonly ipv6: string;
}

export interface SyntheticAddressesOptions {
  /** How many names may get addresses in a run; at most {@link mostNames}. */
  readonly capacity?: number;
}

/**
 * The addresses that stand for names inside the sandbox. DNS hands them out, a connect() to one gives back its name; they
 * never leave the network namespace. A name keeps its pair for the run, and a pair never changes its name.
 *
 * Both blocks look like public unicast, since libraries guard against requests to anything else (ipaddr.js's range(),
 * Python's is_global, Go's IsPrivate and IsGlobalUnicast, private-ip, request-filtering-agent): that rules out 10/8, 100.64/10,
 * 198.18/15, 240/4, ULA and documentation blocks.
 *
 * IPv4 has no unassigned unicast left. 55.0.0.0/8 belongs to the US Department of Defense, serves nothing to the public, and
 * unlike its sisters (11, 22, 25, 26, 28, 30, 33) is not in use as private space at large carriers and clouds. 3000::/4 is
 * global unicast that IANA has not given to any registry. A program that dials an address there which stands for no
 * name is refused.
 */
export class SyntheticAddresses {
  readonly #capacity: number;
  readonly #indexes = new Map<string, number>();
  readonly #names: string[] = [];

  constructor(options: SyntheticAddressesOptions = {}) {
    this.#capacity = Math.min(options.capacity ?? 16_384, mostNames);
  }

  /** The pair of the name, the same each time; undefined when the capacity is used up, or for what is no host name. */
  assign(name: string): SyntheticPair | undefined {
    const known = canonicalName(name);
    if (known === undefined) return undefined;
    const index = this.#indexes.get(known) ?? this.#names.length;
    if (index >= this.#capacity) return undefined;
    this.#indexes.set(known, index);
    this.#names[index] = known;
    const offset = offsetOf(index);
    return {
      ipv4: addressText({ family: 4, network: block4.network + offset, prefix: 32 }),
      ipv6: addressText({ family: 6, network: block6.network + offset, prefix: 128 }),
    };
  }

  /** The name that the address stands for; IPv4-mapped IPv6 counts as IPv4. */
  lookup(address: string): string | undefined {
    const known = readAddress(address);
    if (known === undefined || !inBlocks(known)) return undefined;
    const index = indexOf(known.network - (known.family === 4 ? block4 : block6).network);
    return index === undefined ? undefined : this.#names[index];
  }

  /** Whether the address lies where synthetic ones do, given out or not. */
  contains(address: string): boolean {
    const known = readAddress(address);
    return known !== undefined && inBlocks(known);
  }

  get size(): number {
    return this.#names.length;
  }
}

/** 55.98.0.0/16 and 3000:7362::/32. */
const block4: Cidr = { family: 4, network: (55n << 24n) | (98n << 16n), prefix: 16 };
const block6: Cidr = { family: 6, network: 0x3000_7362n << 96n, prefix: 32 };

/** In each /24 of the block the addresses from .1 to .254, as .0 and .255 pass for network and broadcast in places. */
const perSubnet = 254;
export const mostNames = 256 * perSubnet;

function inBlocks(address: Cidr): boolean {
  return cidrContains(block4, address) || cidrContains(block6, address);
}

function offsetOf(index: number): bigint {
  return BigInt(Math.floor(index / perSubnet) * 256 + (index % perSubnet) + 1);
}

function indexOf(offset: bigint): number | undefined {
  if (offset > 0xffffn) return undefined;
  const last = Number(offset & 0xffn);
  if (last === 0 || last === 255) return undefined;
  return Number(offset >> 8n) * perSubnet + last - 1;
}
