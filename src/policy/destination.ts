import { isIP } from "node:net";

import { type Cidr, parseAddress, parseCidr } from "./cidr.js";
import { quoted } from "./display.js";
import { type HostPattern, parseHostPattern } from "./host-pattern.js";
import type { Parsed } from "./parsed.js";

/** What an entry of an egress rule's `to` stands for. */
export type Destination =
  | { readonly kind: "name"; readonly pattern: HostPattern }
  | { readonly kind: "address" | "cidr"; readonly cidr: Cidr };

/**
 * One entry of `to`: a host name or pattern, an address, or a CIDR. An address is only what net.isIP takes for one;
 * other spellings that a resolver would accept (127.1, 0x7f.1, 2130706433) are errors, not host names.
 */
export function parseDestination(text: string): Parsed<Destination> {
  const url = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/@]*@)?(\[[^\]]*\]|[^/:?#]*)/i.exec(text);
  if (url !== null)
    return { problem: `${quoted(text)} is a URL; write its host alone: ${quoted(url[1] ?? "")}` };
  if (isIP(text.split("/", 1)[0] ?? "") !== 0) return text.includes("/") ? cidr(text) : address(text);
  const bracketed = /^\[([^\]]*)\]/.exec(text)?.[1];
  if (bracketed !== undefined && isIP(bracketed) === 6)
    return { problem: `write IPv6 addresses without brackets: \`${bracketed}\`; ports go under \`ports\`` };
  const withPort = /^([^:/]+):(\d+)$/.exec(text);
  if (withPort !== null)
    return { problem: `${quoted(text)}: ports go under \`ports\`; write ${quoted(withPort[1] ?? "")} here` };
  if (/^[0-9.]+\/\d+$/.test(text))
    return { problem: `${quoted(text)} is not a CIDR; write all four parts of the address` };
  const name = parseHostPattern(text);
  return "problem" in name ? name : { value: { kind: "name", pattern: name.value } };
}

function cidr(text: string): Parsed<Destination> {
  const parsed = parseCidr(text);
  return "problem" in parsed ? parsed : { value: { kind: "cidr", cidr: parsed.value } };
}

function address(text: string): Parsed<Destination> {
  const parsed = parseAddress(text);
  return "problem" in parsed ? parsed : { value: { kind: "address", cidr: parsed.value } };
}
