import { SkillboxError } from "../errors.js";
import { opcode, decode, type Instruction } from "./instruction.js";

/** struct seccomp_data: what a filter sees of a call. */
export interface SeccompData {
  readonly nr: number;
  /** AUDIT_ARCH_*. */
  readonly arch: number;
  readonly instructionPointer?: bigint;
  /** Up to six unsigned 64-bit registers; missing ones are 0. */
  readonly args: readonly bigint[];
}

export interface Evaluation {
  /** The SECCOMP_RET_* value with its data. */
  readonly action: number;
  /** How many instructions ran. */
  readonly steps: number;
}

const dataBytes = 64;

/** Runs a filter as the kernel would. For one program and many calls, use {@link evaluator}. */
export function evaluate(program: Uint8Array, data: SeccompData): Evaluation {
  return evaluator(program)(data);
}

export function evaluator(program: Uint8Array): (data: SeccompData) => Evaluation {
  const instructions = decode(program);
  return (data) => run(instructions, layOut(data));
}

function layOut(data: SeccompData): DataView {
  const view = new DataView(new ArrayBuffer(dataBytes));
  view.setUint32(0, data.nr, true);
  view.setUint32(4, data.arch, true);
  view.setBigUint64(8, data.instructionPointer ?? 0n, true);
  data.args.forEach((value, index) => {
    view.setBigUint64(16 + 8 * index, value, true);
  });
  return view;
}

function run(instructions: readonly Instruction[], data: DataView): Evaluation {
  let accumulator = 0;
  let steps = 0;
  for (let at = 0; ; at += 1) {
    const instruction = instructions[at];
    if (instruction === undefined) throw fault(at, "runs past its end");
    steps += 1;
    const { code, jt, jf, k } = instruction;
    switch (code) {
      case opcode.loadWord:
        accumulator = data.getUint32(k, true);
        break;
      case opcode.and:
        accumulator = (accumulator & k) >>> 0;
        break;
      case opcode.jump:
        at += k;
        break;
      case opcode.jumpEqual:
        at += accumulator === k ? jt : jf;
        break;
      case opcode.jumpGreater:
        at += accumulator > k ? jt : jf;
        break;
      case opcode.jumpGreaterEqual:
        at += accumulator >= k ? jt : jf;
        break;
      case opcode.jumpSet:
        at += (accumulator & k) !== 0 ? jt : jf;
        break;
      case opcode.return:
        return { action: k, steps };
      default:
        throw fault(at, `has the unknown opcode ${String(code)}`);
    }
  }
}

function fault(at: number, what: string): SkillboxError {
  return new SkillboxError("ERR_INTERNAL", `the filter ${what} at instruction ${String(at)}`);
}
