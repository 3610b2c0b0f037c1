import { classIn, type Rcode, rcodes, types } from "./dns-codes.js";
import { headerBytes, qr, type Query } from "./dns-message.js";

export interface DnsRecord {
  readonly type: number;
  readonly ttlSeconds: number;
  readonly data: Uint8Array;
}

export interface Reply {
  readonly rcode: Rcode;
  /** Records of the name that was asked. */
  readonly answers?: readonly DnsRecord[];
  /** A record of the root zone: the SOA of a negative answer (RFC 2308). */
  readonly authority?: DnsRecord;
}

/** What we can take ourselves, as of DNS Flag Day 2020; nothing that clients send comes near. */
const ownPayloadBytes = 1232;

/**
 * The reply within `maxBytes`: whole; or the question alone with TC set, at which a client asks again over TCP; or the header.
 * undefined if not even that fits.
 */
export function writeReply(query: Query, reply: Reply, maxBytes: number): Uint8Array | undefined {
  const opt = query.edns === undefined ? [] : [optRecord(rcodes[reply.rcode])];
  const answers = (reply.answers ?? []).map((record) => concat(pointerToQuestion, recordBytes(record)));
  const authority = reply.authority === undefined ? [] : [concat(root, recordBytes(reply.authority))];
  const header = (truncated: boolean, counts: readonly number[]): Uint8Array =>
    headerOf(query.id, query.flags, reply.rcode, truncated, counts);
  const whole = concat(
    header(false, [1, answers.length, authority.length, opt.length]),
    query.question,
    ...answers,
    ...authority,
    ...opt,
  );
  if (whole.length <= maxBytes) return whole;
  const short = concat(header(true, [1, 0, 0, opt.length]), query.question, ...opt);
  if (short.length <= maxBytes) return short;
  return maxBytes < headerBytes ? undefined : header(true, [0, 0, 0, 0]);
}

/** A header alone, for what cannot be read. */
export function writeError(
  id: number,
  flags: number,
  rcode: Rcode,
  maxBytes: number,
): Uint8Array | undefined {
  return maxBytes < headerBytes ? undefined : headerOf(id, flags, rcode, false, [0, 0, 0, 0]);
}

/** How long a reply over UDP may be: what the client's OPT says, 512 without one (RFC 6891, 6.2.5), never more than we send. */
export function udpLimit({ edns }: Query): number {
  return edns === undefined ? 512 : Math.min(Math.max(edns.payloadBytes, 512), ownPayloadBytes);
}

/** Labels in wire form, uncompressed; the text is a canonical name or "" for the root. */
export function nameBytes(name: string): Uint8Array {
  const labels = name === "" ? [] : name.split(".").map((label) => Buffer.from(label, "latin1"));
  return concat(...labels.flatMap((label) => [Uint8Array.of(label.length), label]), root);
}

/** A record's data of the type SOA: a zone of our own that changes never; `minimum` is how long a denial may be kept. */
export function soaData(minimumSeconds: number): Uint8Array {
  const numbers = Buffer.alloc(20);
  for (const [index, number] of [1, 3600, 600, 86_400, minimumSeconds].entries())
    numbers.writeUInt32BE(number, 4 * index);
  return concat(nameBytes("resolver.skillbox.invalid"), nameBytes("nobody.skillbox.invalid"), numbers);
}

const root = Uint8Array.of(0);
const pointerToQuestion = Uint8Array.of(0xc0, headerBytes);

/**
 * QR and RA are set: glibc and Go take an empty answer without RA for one of a server that does not care for the name, and ask
 * the next. Opcode, RD and CD are the client's (RFC 1035, 4.1.1; RFC 4035, 3.2.2); AD stays off.
 */
function headerOf(
  id: number,
  flags: number,
  rcode: Rcode,
  truncated: boolean,
  counts: readonly number[],
): Uint8Array {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(id, 0);
  const own = qr | 0x0080 | (truncated ? 0x0200 : 0) | (rcodes[rcode] & 0xf);
  header.writeUInt16BE((flags & 0x7910) | own, 2);
  for (const [index, count] of counts.entries()) header.writeUInt16BE(count, 4 + 2 * index);
  return header;
}

function recordBytes({ type, ttlSeconds, data }: DnsRecord): Uint8Array {
  const fields = Buffer.alloc(10);
  fields.writeUInt16BE(type, 0);
  fields.writeUInt16BE(classIn, 2);
  fields.writeUInt32BE(ttlSeconds, 4);
  fields.writeUInt16BE(data.length, 8);
  return concat(fields, data);
}

/** Version 0, no options, DO off: nothing here is signed. */
function optRecord(rcode: number): Uint8Array {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(types.OPT, 1);
  record.writeUInt16BE(ownPayloadBytes, 3);
  record.writeUInt8(rcode >> 4, 5);
  return record;
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
