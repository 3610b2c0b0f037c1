/** One symbolic name. In a flag table it stands for the bits of `mask`, in an enumeration for the whole value. */
interface NamedValue {
  readonly name: string;
  readonly value: number;
  readonly mask: number;
}

/**
 * How a number is spelled. `flags`: in order, an entry whose `(v & mask) === value` gives its name and takes its mask out of v; what
 * is left over is a number. `enumeration`: the first entry with `v === value`, on the low 32 bits. `keyed`: an enumeration whose names
 * depend on another argument, the key; an entry's value is the number with the key above its 32 bits.
 *
 * The kernel takes most flags as an int, whose upper half a program may leave full of garbage: such a table has `bits: 32`.
 */
export interface FlagTable {
  readonly kind: "flags" | "enumeration" | "keyed";
  readonly bits: 32 | 64;
  readonly entries: readonly NamedValue[];
}

/** A value alone is its own mask; a pair is value and mask, for fields of several bits. */
export type FlagValues = Readonly<Record<string, number | readonly [value: number, mask: number]>>;

export function flags(values: FlagValues, bits: 32 | 64 = 32): FlagTable {
  const entries = Object.entries(values).map(([name, value]) =>
    typeof value === "number" ? { name, value, mask: value } : { name, value: value[0], mask: value[1] },
  );
  return { kind: "flags", bits, entries };
}

/** A field of several bits as flags: each name with the same mask. */
export function field(mask: number, names: string): FlagValues {
  return Object.fromEntries(readRuns(names).map(({ name, value }) => [name, [value, mask] as const]));
}

/** Names that follow one another, as runs: a first number and the names from there. */
export function enumeration(names: string, others: Readonly<Record<string, number>> = {}): FlagTable {
  const rest = Object.entries(others).map(([name, value]) => ({ name, value, mask: 0xffff_ffff }));
  return { kind: "enumeration", bits: 32, entries: [...readRuns(names), ...rest] };
}

/** Runs of names by key. */
export function keyed(runs: Readonly<Record<number, string>>): FlagTable {
  const entries = Object.entries(runs).flatMap(([key, names]) =>
    readRuns(names).map(({ name, value }) => ({
      name,
      value: Number(key) * 0x1_0000_0000 + value,
      mask: 0xffff_ffff,
    })),
  );
  return { kind: "keyed", bits: 64, entries };
}

function readRuns(runs: string): NamedValue[] {
  const entries: NamedValue[] = [];
  let next = 0;
  for (const word of runs.split(/\s+/)) {
    if (word === "") continue;
    const first = word.charCodeAt(0);
    if (first >= 48 && first <= 57) next = Number(word);
    else entries.push({ name: word, value: next++, mask: 0xffff_ffff });
  }
  return entries;
}
