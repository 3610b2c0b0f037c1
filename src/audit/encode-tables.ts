import { syscalls, type Arch } from "../seccomp/syscall-table.js";
import { readSignatures, type Argument } from "./read-signatures.js";
import type { FlagTable, NamedValue } from "./flag-table.js";

/**
 * What the notify thread needs to spell a system call, as native/addon/decode.cc reads it: little endian, strings with their length
 * and a closing NUL, lists with their count.
 *
 *     u32 magic
 *     list of tables  { u8 kind (0 flags, 1 enumeration); list of { string name; u64 value; u64 mask } }
 *     list of calls   { u32 nr; string name; string type; list of { string name; u8 index; u8 kind; u8 aux; u8 aux2 } }
 *
 * Every call of the architecture appears; the bytes are made once.
 */
export function encodeAuditTables(arch: Arch): Uint8Array {
  encoded[arch] ??= encode(arch);
  return encoded[arch];
}

const encoded: Partial<Record<Arch, Uint8Array>> = {};

const magic = 0x31544153;

function encode(arch: Arch): Uint8Array {
  const { tables, signatures } = readSignatures(arch);
  const out = new Writer();
  out.u32(magic);
  out.list(tables, (table) => {
    encodeTable(out, table);
  });
  out.list([...syscalls(arch)], ([name, number]) => {
    const signature = signatures.get(name);
    out.u32(number);
    out.string(name);
    out.string(signature?.type ?? "syscall");
    out.list(signature?.args ?? [], (argument) => {
      encodeArgument(out, argument);
    });
  });
  return out.bytes();
}

function encodeTable(out: Writer, { kind, entries }: FlagTable): void {
  out.u8(kind === "flags" ? 0 : 1);
  out.list(entries, ({ name, value, mask }: NamedValue) => {
    out.string(name);
    out.u64(value);
    out.u64(mask);
  });
}

function encodeArgument(out: Writer, { name, index, kind, aux, aux2 }: Argument): void {
  out.string(name);
  out.u8(index);
  out.u8(kind);
  out.u8(aux);
  out.u8(aux2);
}

/**
 * The Encoder of src/plan for three thousand short ASCII strings at the start of a run: one string that grows, a byte a character, is
 * several times faster in code that runs once and is never compiled than as many writes into a buffer.
 */
class Writer {
  #text = "";

  bytes(): Uint8Array {
    return Buffer.from(this.#text, "latin1");
  }

  u8(value: number): void {
    this.#text += String.fromCharCode(value);
  }

  u32(value: number): void {
    this.#text += u32(value);
  }

  u64(value: number): void {
    this.#text += u32(value % 0x1_0000_0000) + u32(Math.floor(value / 0x1_0000_0000));
  }

  string(ascii: string): void {
    this.#text += `${u32(ascii.length)}${ascii}\0`;
  }

  list<Item>(items: readonly Item[], encodeItem: (item: Item) => void): void {
    this.u32(items.length);
    for (const item of items) encodeItem(item);
  }
}

function u32(value: number): string {
  return value < 0x100
    ? `${String.fromCharCode(value)}\0\0\0`
    : String.fromCharCode(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}
