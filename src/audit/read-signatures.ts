import { SkillboxError } from "../errors.js";
import type { Arch } from "../seccomp/syscall-table.js";
import type { FlagTable } from "./flag-table.js";
import { flagTables } from "./flag-tables.js";
import { signatures } from "./signatures.js";

/** How an argument is read and written. The numbers are the wire format (native/addon/decode.cc). */
export const argumentKinds = {
  /** A signed 32-bit number. */
  int: 0,
  /** An unsigned number. */
  u64: 1,
  fd: 2,
  /** A descriptor, or AT_FDCWD by name. */
  dirfd: 3,
  /** A path; aux is the argument that holds its directory, or {@link none}. */
  path: 4,
  /** aux: number of the table. */
  flags: 5,
  enumeration: 6,
  /** Octal; aux is the argument with the flags of open that must ask to create a file for it to count, or {@link none}. */
  mode: 7,
  /** aux: the argument with its length, aux2: names of families. */
  sockaddr: 8,
  argv: 9,
  string: 10,
  /** struct open_how; aux: flags of open, aux2: flags of resolve. */
  openhow: 11,
  signal: 12,
  /** aux2: names of families. */
  msghdr: 13,
  flags32: 14,
  size: 15,
  /** struct clone_args; aux: flags of clone3. */
  cloneargs: 16,
  rlimit: 17,
  /** A user or group; 4294967295 leaves it as it is. */
  id: 18,
  /** aux: number of the table, aux2: the argument that is the key. */
  keyed: 19,
} as const;

/** In aux: no argument. A path is relative to the working directory, a mode always counts. */
const none = 255;

interface Argument {
  readonly name: string;
  /** Which of the six. */
  readonly index: number;
  readonly kind: number;
  readonly aux: number;
  readonly aux2: number;
}

export interface Signature {
  readonly type: string;
  readonly args: readonly Argument[];
}

/** An architecture's signatures by the name of the call, and the tables that their arguments refer to by number. */
export interface AuditTables {
  readonly tables: readonly FlagTable[];
  readonly signatures: ReadonlyMap<string, Signature>;
}

export function readSignatures(arch: Arch): AuditTables {
  const named = flagTables(arch);
  const tables = Object.values(named);
  const numbers = new Map(Object.keys(named).map((name, number) => [name, number] as const));
  const found = new Map<string, Signature>();
  for (const [type, text] of Object.entries(signatures)) {
    for (const line of text.split("\n")) {
      const [call, ...words] = line.trim().split(" ");
      if (call === undefined || call === "") continue;
      const args = words.flatMap((word, index) =>
        word === "_" ? [] : [readArgument(word, index, numbers, tables)],
      );
      found.set(call, { type, args });
    }
  }
  return { tables, signatures: found };
}

function readArgument(
  word: string,
  index: number,
  numbers: ReadonlyMap<string, number>,
  tables: readonly FlagTable[],
): Argument {
  const [name = "", rest = ""] = word.split(":");
  const [kind = "", reference] = rest.split(/[@?]/);
  const other = reference === undefined ? none : Number(reference);
  const numberOf = (table: string): number => {
    const number = numbers.get(table);
    if (number === undefined)
      throw new SkillboxError("ERR_INTERNAL", `signatures: ${word}: no table ${table}`);
    return number;
  };
  const argument = (number: number, aux = 0, aux2 = 0): Argument => ({
    name,
    index,
    kind: number,
    aux,
    aux2,
  });
  switch (kind) {
    case "int":
    case "u64":
    case "fd":
    case "dirfd":
    case "argv":
    case "string":
    case "size":
    case "rlimit":
    case "id":
      return argument(argumentKinds[kind]);
    case "sockaddr":
    case "msghdr":
      return argument(argumentKinds[kind], other, numberOf("addressFamily"));
    case "path":
    case "mode":
      return argument(argumentKinds[kind], other);
    case "signal":
      return argument(argumentKinds.signal, numberOf("signalNumber"));
    case "openhow":
      return argument(argumentKinds.openhow, numberOf("openFlags"), numberOf("resolveFlags"));
    case "cloneargs":
      return argument(argumentKinds.cloneargs, numberOf("clone3Flags"));
    default: {
      const number = numberOf(kind);
      const table = tables[number];
      return table?.kind === "keyed"
        ? argument(argumentKinds.keyed, number, other)
        : argument(kindOfTable(table), number);
    }
  }
}

function kindOfTable(table: FlagTable | undefined): number {
  if (table?.kind === "enumeration") return argumentKinds.enumeration;
  return table?.bits === 64 ? argumentKinds.flags : argumentKinds.flags32;
}
