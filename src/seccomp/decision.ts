/**
 * Decisions over struct seccomp_data as a directed acyclic graph. Equal parts are one node, so that comparing two decisions
 * is comparing two references, and what many calls share is emitted once.
 */

export interface Return {
  readonly kind: "return";
  readonly id: number;
  readonly action: number;
}

/** One 32-bit test. `set` asks whether any bit of `value` is set in the word and has no mask. */
export interface Test {
  readonly kind: "test";
  readonly id: number;
  /** Byte offset into struct seccomp_data. */
  readonly word: number;
  readonly mask: number;
  readonly op: TestOp;
  readonly value: number;
  readonly yes: Decision;
  readonly no: Decision;
}

export type TestOp = "eq" | "gt" | "ge" | "set";
export type Decision = Return | Test;

export const fullMask = 0xffff_ffff;

export class DecisionGraph {
  readonly #returns = new Map<number, Return>();
  /** By the two nodes they lead to. */
  readonly #tests = new Map<number, Test[]>();
  #nextId = 0;

  return(action: number): Return {
    const known = this.#returns.get(action);
    if (known !== undefined) return known;
    const made: Return = { kind: "return", id: this.#nextId++, action };
    this.#returns.set(action, made);
    return made;
  }

  /** `value` and `mask` are unsigned 32-bit. Tests whose outcome is plain are resolved here. */
  test(word: number, mask: number, op: TestOp, value: number, yes: Decision, no: Decision): Decision {
    if (yes === no) return yes;
    if (op === "eq" && (value & ~mask) !== 0) return no;
    if (op === "ge" && value === 0) return yes;
    if (op === "gt" && value >= mask) return no;
    if (op === "ge" && value > mask) return no;
    if (op === "set" && value === 0) return no;
    if (mask !== fullMask && op === "eq") {
      if (value === 0) return this.#make(word, fullMask, "set", mask, no, yes);
      if (value === mask && (mask & (mask - 1)) === 0)
        return this.#make(word, fullMask, "set", mask, yes, no);
    }
    return this.#make(word, mask, op, value, yes, no);
  }

  #make(word: number, mask: number, op: TestOp, value: number, yes: Decision, no: Decision): Test {
    // Ids stay far below 2^26: the profile's size is bounded.
    const key = yes.id * 2 ** 26 + no.id;
    const alike = this.#tests.get(key);
    const known = alike?.find(
      (test) => test.word === word && test.mask === mask && test.op === op && test.value === value,
    );
    if (known !== undefined) return known;
    const made: Test = { kind: "test", id: this.#nextId++, word, mask, op, value, yes, no };
    if (alike === undefined) this.#tests.set(key, [made]);
    else alike.push(made);
    return made;
  }

  /** The same decision with each outcome replaced by what `replace` gives for its action. */
  mapReturns(root: Decision, replace: (action: number) => Decision): Decision {
    const done = new Map<Decision, Decision>();
    const visit = (node: Decision): Decision => {
      const known = done.get(node);
      if (known !== undefined) return known;
      const made =
        node.kind === "return"
          ? replace(node.action)
          : this.test(node.word, node.mask, node.op, node.value, visit(node.yes), visit(node.no));
      done.set(node, made);
      return made;
    };
    return visit(root);
  }
}

/** Every action the decision can come to. */
export function returnedActions(root: Decision): number[] {
  const found: number[] = [];
  const seen = new Set<Decision>();
  const visit = (node: Decision): void => {
    if (seen.has(node)) return;
    seen.add(node);
    if (node.kind === "return") {
      found.push(node.action);
    } else {
      visit(node.yes);
      visit(node.no);
    }
  };
  visit(root);
  return found;
}
