import { type Cidr, cidrContains, formatCidr, parseAddress } from "../policy/cidr.js";

/**
 * An address as the rules compare it, as a block of full length: IPv4-mapped IPv6 (::ffff:a.b.c.d, RFC 4291) is IPv4, because
 * that is what the kernel sends for it. A zone (`%eth0`) is left out: it changes the interface, not the address.
 * undefined for what net.isIP does not take for an address, such as 127.1, 0x7f.1 and 2130706433.
 */
export function readAddress(text: string): Cidr | undefined {
  const parsed = parseAddress(text.split("%", 1)[0] ?? "");
  if ("problem" in parsed) return undefined;
  const address = parsed.value;
  return cidrContains(mapped, address) ? fourFrom(address.network) : address;
}

/** In dotted form, or as in RFC 5952. */
export function addressText(address: Cidr): string {
  return formatCidr(address).replace(/\/\d+$/, "");
}

/** In network byte order, 4 or 16 bytes. */
export function addressBytes(address: Cidr): Uint8Array {
  const length = address.family === 4 ? 4 : 16;
  return Uint8Array.from({ length }, (_, index) =>
    Number((address.network >> BigInt(8 * (length - 1 - index))) & 0xffn),
  );
}

/** A way in which an IPv6 address holds an IPv4 address that a gateway or a tunnel may deliver to. */
export interface Embedding {
  readonly name: string;
  readonly inner: Cidr;
  /** How long the prefix of an IPv6 block is that pins the first `length` bits of the inner address. */
  readonly prefixFor: (length: number) => number;
}

/**
 * The IPv4 addresses inside an IPv6 address: NAT64 (RFC 6052, 8215), 6to4 (RFC 3056), Teredo (RFC 4380), ISATAP (RFC 5214),
 * IPv4-compatible (RFC 4291) and IPv4-translated (RFC 2765). A NAT64 prefix of a network's own cannot be told from any
 * other address.
 */
export function embeddedAddresses({ family, network }: Cidr): readonly Embedding[] {
  if (family === 4) return [];
  const low = network & 0xffff_ffffn;
  const embedding = (name: string, inner: bigint, prefixFor: Embedding["prefixFor"]): Embedding => ({
    name,
    inner: fourFrom(inner),
    prefixFor,
  });
  const last = (length: number): number => 96 + length;
  const whole = (): number => 128;
  // Of the local prefix (RFC 8215) only the layout of 96 bits; the block as a whole is special anyway.
  if (starts(network, 0x64_ff9b_0000_0000_0000_0000n, 96) || starts(network, 0x64_ff9b_0001n, 48))
    return [embedding("NAT64", low, last)];
  if (starts(network, 0x2002n, 16))
    return [embedding("6to4", (network >> 80n) & 0xffff_ffffn, (length) => 16 + length)];
  if (starts(network, 0x2001_0000n, 32))
    return [
      embedding("Teredo", (network >> 64n) & 0xffff_ffffn, (length) => 32 + length),
      embedding("Teredo", low ^ 0xffff_ffffn, whole),
    ];
  if (network >> 32n === 0n && network > 1n) return [embedding("IPv4-compatible", low, last)];
  if (network >> 32n === 0xffff_0000n) return [embedding("IPv4-translated", low, last)];
  if (((network >> 32n) & 0xfdff_ffffn) === 0x5efen) return [embedding("ISATAP", low, last)];
  return [];
}

const mapped: Cidr = { family: 6, network: 0xffff_0000_0000n, prefix: 96 };

function fourFrom(network: bigint): Cidr {
  return { family: 4, network: network & 0xffff_ffffn, prefix: 32 };
}

function starts(network: bigint, value: bigint, bits: number): boolean {
  return network >> BigInt(128 - bits) === value;
}
