import { type Cidr, cidrContains, formatCidr, parseAddress } from "./cidr.js";
import type { PolicyInput } from "./schema.js";

/** Of policies in other formats: plain data taken apart, without trust in its shape. */

type Network = NonNullable<PolicyInput["network"]>;
export type RuleInput = NonNullable<Network["egress"]>[number];
export type DenyInput = NonNullable<Network["egressDeny"]>[number];
export type PortInput = number | string;

/** What an import comes to, filled document by document. */
export interface Imported {
  readonly egress: RuleInput[];
  readonly egressDeny: DenyInput[];
  /** Sentences that begin with the place: "NetworkPolicy web, spec.egress[0].to[1]: …". */
  readonly unsupported: string[];
}

/** "Every destination" of the other formats. `**` besides the blocks, as names are never inside of them. */
export const everywhere: readonly string[] = ["**", "0.0.0.0/0", "::/0"];
export const everyPort: readonly PortInput[] = ["1-65535", "1-65535/udp"];

export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.fromEntries(Object.entries(value));
}

/** Nothing is an empty list, as in the API of Kubernetes; undefined for what is no list. */
export function listOf(value: unknown): readonly unknown[] | undefined {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value.map((item: unknown) => item) : undefined;
}

export function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function otherKeys(fields: Fields, known: readonly string[]): readonly string[] {
  return Object.keys(fields).filter((key) => !known.includes(key));
}

export interface Block {
  readonly to: readonly [string];
  readonly except: readonly string[];
}

/** A CIDR with exceptions. Those that lie beside it say nothing; undefined if one is no CIDR, or leaves nothing over. */
export function blockOf(cidr: unknown, exceptions: unknown): Block | undefined {
  const block = cidrOf(cidr);
  const holes = listOf(exceptions)?.map(cidrOf);
  if (block === undefined || holes === undefined) return undefined;
  const except: string[] = [];
  for (const hole of holes) {
    if (hole === undefined || (hole.prefix < block.prefix && cidrContains(hole, block))) return undefined;
    if (cidrContains(block, hole)) except.push(formatCidr(hole));
  }
  return { to: [formatCidr(block)], except };
}

/** Bits after the prefix are cut off, as Kubernetes does: 10.0.0.1/24 is 10.0.0.0/24. A bare address is a block of its own. */
function cidrOf(value: unknown): Cidr | undefined {
  const [base = "", length, ...rest] = textOf(value)?.split("/") ?? [];
  const address = parseAddress(base);
  if ("problem" in address || rest.length > 0) return undefined;
  const bits = address.value.prefix;
  if (length === undefined) return address.value;
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(prefix <= bits)) return undefined;
  const shift = BigInt(bits - prefix);
  return { ...address.value, network: (address.value.network >> shift) << shift, prefix };
}

/** The ports of one entry; `port` absent or 0 is every port. Anything that is not clearly a number is a problem. */
export function portsOf(
  fields: Fields,
  protocols: readonly ("TCP" | "UDP")[],
): { readonly value: readonly PortInput[] } | { readonly problem: string } {
  const first = portNumber(fields["port"]);
  const last = portNumber(fields["endPort"]);
  if (first === undefined)
    return { problem: `the port ${JSON.stringify(fields["port"])} is a container's name for one` };
  if (last === undefined || first > 65_535 || last > 65_535 || (last !== 0 && last < Math.max(first, 1)))
    return { problem: "no such ports" };
  if (first === 0 && last !== 0) return { problem: "an end of ports without a start" };
  const range = first === 0 ? "1-65535" : last === 0 || last === first ? String(first) : `${first}-${last}`;
  return {
    value: protocols.map((protocol) => (protocol === "UDP" ? `${range}/udp` : tcpPort(range))),
  };
}

function portNumber(value: unknown): number | undefined {
  if (value === undefined || value === null) return 0;
  const text = typeof value === "number" ? String(value) : textOf(value);
  return text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined;
}

function tcpPort(range: string): PortInput {
  return range.includes("-") ? range : Number(range);
}

/** Cluster DNS is what such a rule is for, and DNS is answered inside the sandbox anyway. */
export function isDnsOnly(ports: readonly PortInput[]): boolean {
  return ports.length > 0 && ports.every((port) => port === 53 || port === "53/udp");
}
