import { domainToASCII } from "node:url";

/**
 * A host name as the rules compare it: lower case, IDN as A-labels (RFC 5890), without the trailing dot. undefined for
 * what cannot be one: an empty or overlong label or name (RFC 1035, 2.3.4), other characters than letters, digits, `-` and
 * `_` (RFC 1123, 2.1; `_` occurs in practice), and whatever a resolver would take for an address in an odd spelling (127.1,
 * 0x7f.1, 2130706433: the last label is a number).
 */
export function canonicalName(text: string): string | undefined {
  // Before IDNA sees it, whose encoding takes quadratic time.
  if (text.length > 1024) return undefined;
  // domainToASCII decodes percent signs and stops at slashes: what is ASCII already must not go through it.
  const ascii = /[^\0-\x7f]/.test(text) ? toAscii(text) : text.toLowerCase();
  if (ascii === undefined) return undefined;
  const name = ascii.endsWith(".") ? ascii.slice(0, -1) : ascii;
  if (name.length > 253) return undefined;
  const labels = name.split(".");
  if (!labels.every((label) => label.length <= 63 && hostLabel.test(label))) return undefined;
  return numeric.test(labels.at(-1) ?? "") ? undefined : name;
}

const hostLabel = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?$/;
const numeric = /^(?:\d+|0x[0-9a-f]*)$/;

function toAscii(text: string): string | undefined {
  if (/[%/\\?#@:]/.test(text)) return undefined;
  const ascii = domainToASCII(text);
  return ascii === "" ? undefined : ascii;
}
