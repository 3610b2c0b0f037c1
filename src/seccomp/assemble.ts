import { SkillboxError } from "../errors.js";
import { encode, opcode, type Instruction } from "./instruction.js";
import { fullMask, type Decision, type Test, type TestOp } from "./decision.js";

/**
 * A decision as a classic BPF program.
 *
 * Jumps only go forward, so the program is made from its end: when a test is emitted, both its targets lie behind it and
 * their distances are known. A conditional jump reaches 255 instructions; beyond that it goes over a BPF_JA, or over
 * a copy of the return it was heading for.
 */
export function assemble(root: Decision): Uint8Array {
  const backwards = new Assembly(root).emit();
  return encode(backwards.reverse());
}

const jumps: Readonly<Record<TestOp, number>> = {
  eq: opcode.jumpEqual,
  gt: opcode.jumpGreater,
  ge: opcode.jumpGreaterEqual,
  set: opcode.jumpSet,
};

const reach = 255;

class Assembly {
  readonly #root: Decision;
  /** Last instruction first: an instruction's index is its distance from the end. */
  readonly #out: Instruction[] = [];
  /** Where a node's code starts, or the nearest stepping stone that leads there. */
  readonly #entries = new Map<Decision, number>();
  /** The same for a caller that has the node's operand in the accumulator already. */
  readonly #loadedEntries = new Map<Decision, number>();
  /** Nodes that someone enters with another operand in the accumulator. */
  readonly #needLoad = new Set<Decision>();

  constructor(root: Decision) {
    this.#root = root;
  }

  emit(): Instruction[] {
    this.#needLoad.add(this.#root);
    this.#findLoads(this.#root, new Set());
    this.#node(this.#root);
    return this.#out;
  }

  #findLoads(node: Decision, seen: Set<Decision>): void {
    if (node.kind === "return" || seen.has(node)) return;
    seen.add(node);
    for (const next of [node.yes, node.no]) {
      if (!sameOperand(node, next)) this.#needLoad.add(next);
      this.#findLoads(next, seen);
    }
  }

  #node(node: Decision): void {
    if (this.#entries.has(node) || this.#loadedEntries.has(node)) return;
    if (node.kind === "return") {
      this.#push(opcode.return, node.action);
      this.#entries.set(node, this.#out.length - 1);
      return;
    }
    this.#node(node.no);
    this.#node(node.yes);
    this.#bringIntoReach(node);
    const here = this.#out.length;
    const jt = here - this.#target(node, node.yes) - 1;
    const jf = here - this.#target(node, node.no) - 1;
    this.#out.push({ code: jumps[node.op], jt, jf, k: node.value });
    this.#loadedEntries.set(node, here);
    if (!this.#needLoad.has(node)) return;
    if (operandMask(node) !== fullMask) this.#push(opcode.and, node.mask);
    this.#push(opcode.loadWord, node.word);
    this.#entries.set(node, this.#out.length - 1);
  }

  /** Adds stepping stones until both targets are at most 255 away; one for the first can push the second out of reach. */
  #bringIntoReach(node: Test): void {
    for (;;) {
      const far = [node.yes, node.no].find((next) => this.#out.length - this.#target(node, next) - 1 > reach);
      if (far === undefined) return;
      if (far.kind === "return") this.#push(opcode.return, far.action);
      else this.#push(opcode.jump, this.#out.length - this.#target(node, far) - 1);
      this.#entriesFor(node, far).set(far, this.#out.length - 1);
    }
  }

  #target(from: Test, to: Decision): number {
    const entry = this.#entriesFor(from, to).get(to);
    if (entry === undefined)
      throw new SkillboxError("ERR_INTERNAL", "the seccomp assembler emitted a test before its target");
    return entry;
  }

  #entriesFor(from: Test, to: Decision): Map<Decision, number> {
    return sameOperand(from, to) ? this.#loadedEntries : this.#entries;
  }

  #push(code: number, k: number): void {
    this.#out.push({ code, jt: 0, jf: 0, k });
  }
}

function sameOperand(from: Test, to: Decision): boolean {
  return to.kind === "test" && to.word === from.word && operandMask(to) === operandMask(from);
}

/** BPF_JSET masks by itself and leaves the accumulator alone. */
function operandMask(node: Test): number {
  return node.op === "set" ? fullMask : node.mask;
}
