/** Queries written byte by byte, and a reader of replies that shares nothing with what it checks. */

export interface Asked {
  readonly name?: readonly (string | Uint8Array)[];
  readonly type?: number;
  readonly class?: number;
  readonly id?: number;
  readonly flags?: number;
  readonly counts?: readonly [number, number, number, number];
  /** Bytes after the question. */
  readonly rest?: Uint8Array;
}

export function queryBytes(asked: Asked): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(asked.id ?? 0x1234, 0);
  header.writeUInt16BE(asked.flags ?? 0x0100, 2);
  for (const [index, count] of (asked.counts ?? [1, 0, 0, 0]).entries())
    header.writeUInt16BE(count, 4 + 2 * index);
  const labels = (asked.name ?? ["pypi", "org"]).flatMap((label) => {
    const bytes = Buffer.from(label);
    return [Buffer.of(bytes.length), bytes];
  });
  const tail = Buffer.alloc(5);
  tail.writeUInt16BE(asked.type ?? 1, 1);
  tail.writeUInt16BE(asked.class ?? 1, 3);
  return Buffer.concat([header, ...labels, tail, asked.rest ?? Buffer.alloc(0)]);
}

export function opt(payloadBytes: number, version = 0, options: Uint8Array = Buffer.alloc(0)): Buffer {
  const record = Buffer.alloc(11);
  record.writeUInt16BE(41, 1);
  record.writeUInt16BE(payloadBytes, 3);
  record.writeUInt8(version, 6);
  record.writeUInt16BE(0x8000, 7);
  record.writeUInt16BE(options.length, 9);
  return Buffer.concat([record, options]);
}

export interface ReadRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: Buffer;
}

export interface ReadReply {
  readonly id: number;
  readonly flags: number;
  readonly rcode: number;
  readonly truncated: boolean;
  readonly questions: readonly { readonly name: string; readonly type: number; readonly class: number }[];
  readonly answers: readonly ReadRecord[];
  readonly authority: readonly ReadRecord[];
  readonly additional: readonly ReadRecord[];
}

/** Throws for whatever is not a message to the last byte. */
export function readReply(bytes: Uint8Array): ReadReply {
  const message = Buffer.from(bytes);
  let at = 12;
  const name = (): string => {
    const labels: string[] = [];
    let cursor = at;
    let jumps = 0;
    for (;;) {
      const length = message.readUInt8(cursor);
      if (length >= 0xc0) {
        if (jumps === 0) at = cursor + 2;
        const target = message.readUInt16BE(cursor) & 0x3fff;
        if (target >= cursor || ++jumps > 10) throw new Error("a pointer that does not lead back");
        cursor = target;
        continue;
      }
      if (length > 63) throw new Error("a label of an unknown type");
      cursor += 1;
      if (length === 0) break;
      if (cursor + length > message.length) throw new Error("a label past the end");
      labels.push(message.toString("latin1", cursor, cursor + length));
      cursor += length;
    }
    if (jumps === 0) at = cursor;
    return labels.join(".");
  };
  const u16 = (): number => message.readUInt16BE((at += 2) - 2);
  const u32 = (): number => message.readUInt32BE((at += 4) - 4);
  const record = (): ReadRecord => {
    const head = { name: name(), type: u16(), class: u16(), ttl: u32() };
    const length = u16();
    if (at + length > message.length) throw new Error("data past the end");
    at += length;
    return { ...head, data: message.subarray(at - length, at) };
  };
  const times = <T>(offset: number, read: () => T): T[] =>
    Array.from({ length: message.readUInt16BE(offset) }, read);
  const flags = message.readUInt16BE(2);
  const reply = {
    id: message.readUInt16BE(0),
    flags,
    rcode: flags & 0xf,
    truncated: (flags & 0x0200) !== 0,
    questions: times(4, () => ({ name: name(), type: u16(), class: u16() })),
    answers: times(6, record),
    authority: times(8, record),
    additional: times(10, record),
  };
  if (at !== message.length) throw new Error(`${message.length - at} bytes after the message`);
  return reply;
}
