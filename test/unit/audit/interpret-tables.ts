/** A reader of the notify thread's tables, written from the description of their format alone (src/audit/encode-tables.ts). */
export interface WireTables {
  readonly tables: readonly WireTable[];
  readonly calls: readonly WireCall[];
}

export interface WireTable {
  readonly kind: number;
  readonly entries: readonly { readonly name: string; readonly value: bigint; readonly mask: bigint }[];
}

export interface WireCall {
  readonly number: number;
  readonly name: string;
  readonly type: string;
  readonly args: readonly WireArgument[];
}

interface WireArgument {
  readonly name: string;
  readonly index: number;
  readonly kind: number;
  readonly aux: number;
  readonly aux2: number;
}

export function readTables(bytes: Uint8Array): WireTables {
  const view = Buffer.from(bytes);
  let at = 0;
  const u8 = (): number => view.readUInt8(at++);
  const u32 = (): number => view.readUInt32LE((at += 4) - 4);
  const u64 = (): bigint => view.readBigUInt64LE((at += 8) - 8);
  const string = (): string => {
    const length = u32();
    const text = view.toString("latin1", at, (at += length));
    if (u8() !== 0) throw new Error(`no NUL after ${text}`);
    return text;
  };
  const list = <Item>(read: () => Item): Item[] => Array.from({ length: u32() }, read);
  if (u32() !== 0x31544153) throw new Error("magic");
  const tables = list(() => ({
    kind: u8(),
    entries: list(() => ({ name: string(), value: u64(), mask: u64() })),
  }));
  const calls = list(() => ({
    number: u32(),
    name: string(),
    type: string(),
    args: list(() => ({ name: string(), index: u8(), kind: u8(), aux: u8(), aux2: u8() })),
  }));
  if (at !== view.length) throw new Error(`${view.length - at} bytes are left`);
  return { tables, calls };
}

/** Spells a number as the notify thread does; what has no name is a number at the end. */
export function spell({ kind, entries }: WireTable, value: bigint): string | readonly (string | bigint)[] {
  if (kind === 1) {
    const named = entries.find((entry) => entry.value === value);
    return (named ?? entries.find((entry) => entry.value === (value & 0xffff_ffffn)))?.name ?? String(value);
  }
  const names: (string | bigint)[] = [];
  let rest = value;
  for (const { name, value: wanted, mask } of entries) {
    if ((rest & mask) !== wanted) continue;
    names.push(name);
    rest &= ~mask;
  }
  return rest === 0n ? names : [...names, rest];
}
