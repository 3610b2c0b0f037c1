import { parseAddress } from "../policy/cidr.js";

/** REP (RFC 1928, section 6). */
export const replies = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  /** "TTL expired", which is how servers tell a time-out. */
  timedOut: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const;

/** 4 or 16 bytes as net.isIP takes them. */
export function addressText(address: Buffer): string {
  if (address.length === 4) return address.join(".");
  const groups: string[] = [];
  for (let at = 0; at < address.length; at += 2) groups.push(address.readUInt16BE(at).toString(16));
  return groups.join(":");
}

/** The 4 or 16 bytes of an address that net.isIP takes. */
export function addressBytes(address: string): Buffer {
  const parsed = parseAddress(address);
  if ("problem" in parsed) throw new RangeError(parsed.problem);
  const { family, network } = parsed.value;
  return Buffer.from(network.toString(16).padStart(family === 4 ? 8 : 32, "0"), "hex");
}
