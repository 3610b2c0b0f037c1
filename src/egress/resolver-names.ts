import { isIP } from "node:net";

import { canonicalName } from "./names.js";

/** The labels as text, as in a zone file (RFC 1035, 5.1): a byte that could be mistaken becomes `\046`. The root is ".". */
export function shownName(labels: readonly Uint8Array[]): string {
  if (labels.length === 0) return ".";
  return labels.map((label) => Array.from(label, shownByte).join("")).join(".");
}

function shownByte(byte: number): string {
  const plain = byte > 0x20 && byte < 0x7f && !'.\\"();@$'.includes(String.fromCharCode(byte));
  return plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, "0")}`;
}

/** The host name that the labels make; undefined if they make none. */
export function hostName(labels: readonly Uint8Array[]): string | undefined {
  return labels.length === 0 ? undefined : canonicalName(shownName(labels));
}

/** RFC 6761, 6.3: these names mean the machine itself, and are never asked of others. */
export function isLocalhost(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost");
}

/** The address that a complete name of the reverse trees stands for (RFC 1035, 3.5; RFC 3596, 2.5). */
export function reverseAddress(name: string): string | undefined {
  const labels = name.split(".").reverse();
  const digits = labels.slice(2);
  if (name.endsWith(".in-addr.arpa") && digits.length === 4) {
    const text = digits.join(".");
    return isIP(text) === 4 ? text : undefined;
  }
  if (!name.endsWith(".ip6.arpa") || digits.length !== 32) return undefined;
  if (!digits.every((digit) => /^[0-9a-f]$/.test(digit))) return undefined;
  return digits.join("").replace(/(....)(?=.)/g, "$1:");
}
