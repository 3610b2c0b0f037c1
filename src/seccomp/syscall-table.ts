import { arm64Runs, foreignNames, x64Runs } from "./syscall-data.js";

/** The architectures skillbox runs on, by node's names (`process.arch`). */
export const architectures = ["x64", "arm64"] as const;
export type Arch = (typeof architectures)[number];

interface SyscallTable {
  readonly numberOf: ReadonlyMap<string, number>;
  readonly nameOf: ReadonlyMap<number, string>;
}

const runs: Readonly<Record<Arch, string>> = { x64: x64Runs, arm64: arm64Runs };
/** Read when they are first asked for: most starts need none. */
const tables = new Map<Arch, SyscallTable>();
let foreign: ReadonlySet<string> | undefined;

function tableOf(arch: Arch): SyscallTable {
  const known = tables.get(arch);
  if (known !== undefined) return known;
  const table = readRuns(runs[arch]);
  tables.set(arch, table);
  return table;
}

function foreignCalls(): ReadonlySet<string> {
  foreign ??= new Set(words(foreignNames));
  return foreign;
}

/** AUDIT_ARCH_* of linux/audit.h: the ELF machine, with __AUDIT_ARCH_64BIT and __AUDIT_ARCH_LE. */
export const auditArch: Readonly<Record<Arch, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };

/** __X32_SYSCALL_BIT of asm/unistd.h: x32 calls come with the architecture of x86-64 and this bit in their number. */
export const x32Bit = 0x4000_0000;

/** The number of a call, or undefined where the architecture does not have it. */
export function syscallNumber(arch: Arch, name: string): number | undefined {
  return tableOf(arch).numberOf.get(name);
}

/** The name of a call, or undefined for a number that was never given or is newer than this table. */
export function syscallName(arch: Arch, number: number): string | undefined {
  return tableOf(arch).nameOf.get(number);
}

/** Every call of an architecture, name to number, in the order of the numbers. */
export function syscalls(arch: Arch): ReadonlyMap<string, number> {
  return tableOf(arch).numberOf;
}

/** Whether any architecture has, or once had, a call of this name. */
export function isSyscallName(name: string): boolean {
  return tableOf("x64").numberOf.has(name) || tableOf("arm64").numberOf.has(name) || foreignCalls().has(name);
}

/** All names {@link isSyscallName} knows, for suggestions. */
export function syscallNames(): ReadonlySet<string> {
  return new Set([...tableOf("x64").numberOf.keys(), ...tableOf("arm64").numberOf.keys(), ...foreignCalls()]);
}

function readRuns(text: string): SyscallTable {
  const numberOf = new Map<string, number>();
  const nameOf = new Map<number, string>();
  let next = 0;
  for (const word of words(text)) {
    const first = word.charCodeAt(0);
    if (first >= 48 && first <= 57) {
      next = Number(word);
    } else {
      numberOf.set(word, next);
      nameOf.set(next, word);
      next += 1;
    }
  }
  return { numberOf, nameOf };
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
