import { type Rcode, types } from "./dns-codes.js";

/**
 * A query of the DNS (RFC 1035), read from hostile bytes. Written out here rather than taken from a
 * library, because dns-packet joins labels with dots (so that a label which holds a dot reads as two), follows compression
 * pointers, and throws; a query needs no pointer followed, no record decoded but OPT, and one answer to each flaw.
 */
export interface Query {
  readonly id: number;
  /** The header's second word as it came. */
  readonly flags: number;
  /** The question as it came, in its own case: some clients compare it to the bit (0x20). */
  readonly question: Uint8Array;
  readonly labels: readonly Uint8Array[];
  readonly type: number;
  readonly class: number;
  readonly edns: Edns | undefined;
}

export interface Edns {
  readonly payloadBytes: number;
  readonly version: number;
}

export type Reading =
  | { readonly kind: "query"; readonly query: Query }
  /** An answer with a header alone, as the question cannot be trusted. */
  | { readonly kind: "error"; readonly id: number; readonly flags: number; readonly rcode: Rcode }
  /** No answer at all: what is too short for a header, and replies, or two servers would answer each other for ever. */
  | { readonly kind: "ignored" };

export const headerBytes = 12;
export const qr = 0x8000;

export function readQuery(message: Uint8Array): Reading {
  if (message.length < headerBytes) return { kind: "ignored" };
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const [id, flags] = [view.getUint16(0), view.getUint16(2)];
  if ((flags & qr) !== 0) return { kind: "ignored" };
  const error = (rcode: Rcode): Reading => ({ kind: "error", id, flags, rcode });
  if (((flags >> 11) & 0xf) !== 0) return error("NOTIMP");
  // RFC 9619: a query has one question.
  if (view.getUint16(4) !== 1) return error("FORMERR");
  const name = readName(message, headerBytes);
  if (name === undefined || name.end + 4 > message.length) return error("FORMERR");
  const type = view.getUint16(name.end);
  const end = name.end + 4;
  const base = { id, flags, labels: name.labels, type, class: view.getUint16(name.end + 2) };
  const question = message.slice(headerBytes, end);
  // IXFR brings a record of its own, which does not matter for refusing it.
  if (type === types.IXFR) return { kind: "query", query: { ...base, question, edns: undefined } };
  if (view.getUint16(6) !== 0 || view.getUint16(8) !== 0) return error("FORMERR");
  const additional = readAdditional(message, view, end);
  if (additional === undefined) return error("FORMERR");
  return { kind: "query", query: { ...base, question, edns: additional.edns } };
}

interface Name {
  readonly labels: readonly Uint8Array[];
  readonly end: number;
}

/** A name written out in full. A question has nothing before it that a pointer could lead to. */
function readName(message: Uint8Array, start: number): Name | undefined {
  const labels: Uint8Array[] = [];
  let at = start;
  for (;;) {
    const length = message[at];
    // 64 and more are pointers and label types that nobody uses (RFC 6891, 5).
    if (length === undefined || length > 63) return undefined;
    at += 1;
    if (length === 0) return { labels, end: at };
    if (at + length - start > 254 || at + length > message.length) return undefined;
    labels.push(message.slice(at, at + length));
    at += length;
  }
}

/** Where a name of a record ends; a pointer ends it, and is not followed. */
function skipName(message: Uint8Array, start: number): number | undefined {
  for (let at = start; at - start < 255;) {
    const length = message[at];
    if (length === undefined) return undefined;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2;
    if (length > 63) return undefined;
    at += 1 + length;
  }
  return undefined;
}

/** The additional section up to the very end of the message: OPT at most once (RFC 6891, 6.1.1), other records passed over. */
function readAdditional(
  message: Uint8Array,
  view: DataView,
  start: number,
): { readonly edns: Edns | undefined } | undefined {
  let edns: Edns | undefined;
  let at = start;
  for (let left = view.getUint16(10); left > 0; left -= 1) {
    const fields = skipName(message, at);
    if (fields === undefined || fields + 10 > message.length) return undefined;
    const end = fields + 10 + view.getUint16(fields + 8);
    if (end > message.length) return undefined;
    if (view.getUint16(fields) === types.OPT) {
      if (edns !== undefined || message[at] !== 0 || !soundOptions(view, fields + 10, end)) return undefined;
      edns = { payloadBytes: view.getUint16(fields + 2), version: view.getUint8(fields + 5) };
    }
    at = end;
  }
  return at === message.length ? { edns } : undefined;
}

function soundOptions(view: DataView, start: number, end: number): boolean {
  let at = start;
  while (at + 4 <= end) at += 4 + view.getUint16(at + 2);
  return at === end;
}
