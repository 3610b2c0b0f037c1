import type { FlagTable } from "./flag-table.js";
import { flagTables } from "./flag-tables.js";
import { string, u32 } from "./encode-tables.js";
import { readSignatures, type Signature } from "./read-signatures.js";

/**
 * The parts of the notify thread's tables as strings with a byte in each character. encoded-tables.ts holds them ready-made, because a
 * program of a few milliseconds must not wait for them; test/unit/audit/generate.ts writes it.
 */
export interface CompiledTables {
  /** Those that depend on the architecture. They come first. */
  readonly ownTables: { readonly x64: readonly string[]; readonly arm64: readonly string[] };
  readonly sharedTables: readonly string[];
  /** By the name of the call: its type and arguments. */
  readonly calls: Readonly<Record<string, string>>;
}

export function compileTables(): CompiledTables {
  const x64 = Object.values(flagTables("x64")).map(encodeTable);
  const arm64 = Object.values(flagTables("arm64")).map(encodeTable);
  const own = x64.findLastIndex((table, number) => table !== arm64[number]) + 1;
  // The arguments refer to tables by number, which is the same for both.
  const calls = [...readSignatures("x64").signatures].map(
    ([name, signature]) => [name, encodeSignature(signature)] as const,
  );
  return {
    ownTables: { x64: x64.slice(0, own), arm64: arm64.slice(0, own) },
    sharedTables: x64.slice(own),
    calls: Object.fromEntries(calls),
  };
}

function encodeTable({ kind, entries }: FlagTable): string {
  const encoded = entries.map(({ name, value, mask }) => string(name) + u64(value) + u64(mask));
  return String.fromCharCode(kind === "flags" ? 0 : 1) + u32(entries.length) + encoded.join("");
}

function encodeSignature({ type, args }: Signature): string {
  const encoded = args.map(
    ({ name, index, kind, aux, aux2 }) => string(name) + String.fromCharCode(index, kind, aux, aux2),
  );
  return string(type) + u32(args.length) + encoded.join("");
}

function u64(value: number): string {
  return u32(value % 0x1_0000_0000) + u32(Math.floor(value / 0x1_0000_0000));
}
