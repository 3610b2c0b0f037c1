import { constants } from "node:os";
import { action, actionData, actionKind, actionKindName } from "./actions.js";
import { decode, opcode, type Instruction } from "./instruction.js";
import { auditArch, syscallName, x32Bit, type Arch } from "./syscall-table.js";

/**
 * A filter as text, an instruction a line: `  12  jeq  openat  → 13 else 40`. Numbers become names where the accumulator is known to hold
 * the architecture or the number of the call.
 */
export function disassemble(program: Uint8Array, arch: Arch): string {
  const instructions = decode(program);
  const loaded = loadedWords(instructions);
  const width = String(instructions.length).length;
  return instructions
    .map(
      (instruction, at) => `${String(at).padStart(width)}  ${describe(instruction, at, loaded[at], arch)}\n`,
    )
    .join("");
}

/** What the accumulator holds before each instruction: an offset in seccomp_data, or undefined when paths differ. */
function loadedWords(instructions: readonly Instruction[]): (number | undefined)[] {
  const words = new Map<number, Set<number | undefined>>();
  const arrive = (at: number, word: number | undefined): void => {
    words.set(at, (words.get(at) ?? new Set()).add(word));
  };
  const only = (at: number): number | undefined => {
    const [word, ...others] = words.get(at) ?? [];
    return others.length === 0 ? word : undefined;
  };
  // Jumps go forward only, so that one pass sees all who arrive before it looks at where they arrive.
  instructions.forEach(({ code, jt, jf, k }, at) => {
    if (code === opcode.return) return;
    if (code === opcode.loadWord) arrive(at + 1, k);
    else if (code === opcode.and) arrive(at + 1, only(at));
    else if (code === opcode.jump) arrive(at + 1 + k, only(at));
    else for (const offset of new Set([jt, jf])) arrive(at + 1 + offset, only(at));
  });
  return instructions.map((_, at) => only(at));
}

const mnemonics: ReadonlyMap<number, string> = new Map([
  [opcode.jumpEqual, "jeq"],
  [opcode.jumpGreater, "jgt"],
  [opcode.jumpGreaterEqual, "jge"],
  [opcode.jumpSet, "jset"],
]);

function describe(
  { code, jt, jf, k }: Instruction,
  at: number,
  word: number | undefined,
  arch: Arch,
): string {
  switch (code) {
    case opcode.loadWord:
      return `ld   ${wordName(k)}`;
    case opcode.and:
      return `and  ${hex(k)}`;
    case opcode.jump:
      return `ja   ${String(at + 1 + k)}`;
    case opcode.return:
      return `ret  ${actionName(k)}`;
    default: {
      const mnemonic = mnemonics.get(code) ?? `op${String(code)}`;
      const targets = `→ ${String(at + 1 + jt)} else ${String(at + 1 + jf)}`;
      return `${mnemonic.padEnd(4)} ${operandName(k, word, arch)}  ${targets}`;
    }
  }
}

/** struct seccomp_data; both architectures are little endian. */
function wordName(offset: number): string {
  if (offset === 0) return "nr";
  if (offset === 4) return "arch";
  if (offset < 16) return offset === 8 ? "ip.low" : "ip.high";
  return `arg${String((offset - 16) >> 3)}.${offset % 8 === 0 ? "low" : "high"}`;
}

function operandName(k: number, word: number | undefined, arch: Arch): string {
  if (word === 4) return auditArchNames.get(k) ?? hex(k);
  if (word !== 0) return hex(k);
  if (k === x32Bit) return "x32";
  return syscallName(arch, k) ?? String(k);
}

const auditArchNames: ReadonlyMap<number, string> = new Map([
  [auditArch.x64, "AUDIT_ARCH_X86_64"],
  [auditArch.arm64, "AUDIT_ARCH_AARCH64"],
]);

/** `ERRNO(EPERM)`, `ALLOW`, `USER_NOTIF` … */
export function actionName(value: number): string {
  const name = actionKindName(value) ?? `action ${hex(actionKind(value))}`;
  if (actionKind(value) === action.errno(0)) return `${name}(${errnoName(actionData(value))})`;
  return actionData(value) === 0 ? name : `${name}(${String(actionData(value))})`;
}

/** Linux's EOPNOTSUPP is also spelled ENOTSUP, and EAGAIN EWOULDBLOCK: the kernel's spelling is the one to show. */
const synonyms: ReadonlySet<string> = new Set(["ENOTSUP", "EWOULDBLOCK"]);

export function errnoName(value: number): string {
  const found = Object.entries(constants.errno).find(
    ([name, number]) => number === value && !synonyms.has(name),
  );
  return found?.[0] ?? String(value);
}

function hex(value: number): string {
  return value < 10 ? String(value) : `0x${value.toString(16)}`;
}
