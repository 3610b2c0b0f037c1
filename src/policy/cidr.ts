import { isIP } from "node:net";

import { quoted } from "./display.js";
import type { Parsed } from "./parsed.js";

/** A block of addresses; a single address is the block of its full length. */
export interface Cidr {
  readonly family: 4 | 6;
  /** The first address as a number; the bits after the prefix are 0. */
  readonly network: bigint;
  readonly prefix: number;
}

/** An address in the strict sense of net.isIP: 127.1, 0x7f.1 and 2130706433 are none, a zone (`%eth0`) is refused. */
export function parseAddress(text: string): Parsed<Cidr> {
  const family = text.includes("%") ? 0 : isIP(text);
  if (family === 4) return { value: { family: 4, network: number4(text), prefix: 32 } };
  if (family === 6) return { value: { family: 6, network: number6(text), prefix: 128 } };
  return {
    problem: `${quoted(text)} is not an address; write it in dotted form, such as 192.0.2.1, or as IPv6`,
  };
}

/** `ADDRESS/LENGTH`; bits set after the prefix are an error that names the block which was probably meant. */
export function parseCidr(text: string): Parsed<Cidr> {
  const [base = "", length = "", ...rest] = text.split("/");
  const address = parseAddress(base);
  if ("problem" in address) return address;
  const { family, network } = address.value;
  const bits = familyBits(family);
  const prefix = /^(0|[1-9]\d{0,2})$/.test(length) ? Number(length) : Number.NaN;
  if (rest.length > 0 || !(prefix <= bits))
    return {
      problem: `${quoted(text)} is not a CIDR: the prefix length of IPv${family} is a number from 0 to ${bits}`,
    };
  const shift = BigInt(bits - prefix);
  const corrected = (network >> shift) << shift;
  if (corrected !== network) {
    const meant = formatCidr({ family, network: corrected, prefix });
    return { problem: `${quoted(text)} has bits set after its prefix; did you mean \`${meant}\`?` };
  }
  return { value: { family, network, prefix } };
}

/** Whether every address of `inner` lies in `outer`. IPv4-mapped IPv6 is IPv6 here: families never contain one another. */
export function cidrContains(outer: Cidr, inner: Cidr): boolean {
  if (outer.family !== inner.family || outer.prefix > inner.prefix) return false;
  const shift = BigInt(familyBits(outer.family) - outer.prefix);
  return inner.network >> shift === outer.network >> shift;
}

/** Two blocks are apart, or one contains the other. */
export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return cidrContains(a, b) || cidrContains(b, a);
}

/** Always with its length; IPv6 in lower-case hexadecimal as in RFC 5952. */
export function formatCidr(cidr: Cidr): string {
  const text = cidr.family === 4 ? format4(cidr.network) : format6(cidr.network);
  return `${text}/${cidr.prefix}`;
}

function familyBits(family: 4 | 6): 32 | 128 {
  return family === 4 ? 32 : 128;
}

function number4(text: string): bigint {
  return text.split(".").reduce((number, octet) => (number << 8n) | BigInt(octet), 0n);
}

/** `text` has passed net.isIP, so that "::" occurs at most once and the groups are well formed. */
function number6(text: string): bigint {
  const dotted = /\d+\.\d+\.\d+\.\d+$/.exec(text)?.[0];
  const hex =
    dotted === undefined
      ? text
      : text.slice(0, -dotted.length) +
        `${(number4(dotted) >> 16n).toString(16)}:${(number4(dotted) & 0xffffn).toString(16)}`;
  const [head = "", tail] = hex.split("::");
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return [...first, ...zeros, ...last].reduce((number, group) => (number << 16n) | BigInt(`0x${group}`), 0n);
}

function groups(text: string): readonly string[] {
  return text === "" ? [] : text.split(":");
}

function format4(network: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((network >> shift) & 0xffn)).join(".");
}

function format6(network: bigint): string {
  const text = Array.from({ length: 8 }, (_, index) =>
    ((network >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  ).join(":");
  const runs = text.match(/(?<![0-9a-f])0(:0)+(?![0-9a-f])/g) ?? [];
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), "");
  if (longest === "") return text;
  const at = text.search(new RegExp(`(?<![0-9a-f])${longest}(?![0-9a-f])`));
  return `${text.slice(0, at).replace(/:$/, "")}::${text.slice(at + longest.length).replace(/^:/, "")}`;
}
