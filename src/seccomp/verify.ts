import { SkillboxError } from "../errors.js";
import { actionKindName } from "./actions.js";
import { decode, maxInstructions, opcode, type Instruction } from "./instruction.js";

/**
 * Checks a program the way the kernel will (bpf_check_classic in net/core/filter.c, seccomp_check_filter in kernel/seccomp.c),
 * so that a mistake of the compiler is found here and not as an EINVAL in a half-built sandbox: known opcodes, loads
 * inside struct seccomp_data, every jump forward and inside the program, a return at the end, known actions.
 *
 * @throws SkillboxError ERR_INTERNAL
 */
export function verify(program: Uint8Array): void {
  const instructions = decode(program);
  if (instructions.length === 0 || instructions.length > maxInstructions) {
    throw invalid(
      0,
      `a filter has 1 to ${String(maxInstructions)} instructions, not ${String(instructions.length)}`,
    );
  }
  instructions.forEach((instruction, at) => {
    const wrong = complaint(instruction, instructions.length - at - 1);
    if (wrong !== undefined) throw invalid(at, wrong);
  });
  if (instructions.at(-1)?.code !== opcode.return)
    throw invalid(instructions.length - 1, "the last is no return");
}

/** `behind`: how many instructions follow this one. */
function complaint({ code, jt, jf, k }: Instruction, behind: number): string | undefined {
  switch (code) {
    case opcode.loadWord:
      return k % 4 === 0 && k < 64 ? undefined : `loads from offset ${String(k)}`;
    case opcode.and:
      return undefined;
    case opcode.jump:
      return k < behind ? undefined : "jumps out of the program";
    case opcode.jumpEqual:
    case opcode.jumpGreater:
    case opcode.jumpGreaterEqual:
    case opcode.jumpSet:
      return jt < behind && jf < behind ? undefined : "jumps out of the program";
    case opcode.return:
      return actionKindName(k) === undefined ? `returns the unknown action ${String(k)}` : undefined;
    default:
      return `opcode ${String(code)} is not one of ours`;
  }
}

function invalid(at: number, what: string): SkillboxError {
  return new SkillboxError(
    "ERR_INTERNAL",
    `the seccomp compiler made a wrong program: instruction ${String(at)}: ${what}`,
  );
}
