import { syscalls, type Arch } from "../seccomp/syscall-table.js";
import { calls, ownTables, sharedTables } from "./encoded-tables.js";

/**
 * What the notify thread needs to spell a system call, as native/addon/decode.cc reads it: little endian, strings with their length
 * and a closing NUL, lists with their count.
 *
 *     u32 magic
 *     list of tables  { u8 kind (0 flags, 1 enumeration); list of { string name; u64 value; u64 mask } }
 *     list of calls   { u32 nr; string name; string type; list of { string name; u8 index; u8 kind; u8 aux; u8 aux2 } }
 *
 * Every call of the architecture appears. What the numbers mean is in flag-table.ts and read-signatures.ts.
 */
export function encodeAuditTables(arch: Arch): Uint8Array {
  // One string that grows is the fastest buffer for code that runs once, before any of it is compiled.
  let text = u32(magic) + u32(ownTables[arch].length + sharedTables.length);
  for (const table of ownTables[arch]) text += table;
  for (const table of sharedTables) text += table;
  const numbers = syscalls(arch);
  text += u32(numbers.size);
  for (const [name, number] of numbers) text += u32(number) + string(name) + (calls[name] ?? plainCall);
  return Buffer.from(text, "latin1");
}

const magic = 0x31544153;

/** Type and arguments of a call that has no line in signatures.ts. */
const plainCall = string("syscall") + u32(0);

export function string(ascii: string): string {
  return `${u32(ascii.length)}${ascii}\0`;
}

export function u32(value: number): string {
  return String.fromCharCode(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}
