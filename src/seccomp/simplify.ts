import { fullMask, type Decision, type DecisionGraph, type Test } from "./decision.js";

/** Steps for one decision, and for all decisions of a filter: a few hundred rules on each of many calls, in well under a second. */
const stepsForOne = 60_000;
const stepsForAll = 500_000;

/**
 * Drops tests whose outcome earlier tests on the same path have settled: ten rules on one argument ask for its upper half
 * once instead of ten times. Separating paths can multiply work; a decision that takes too many steps stays as it was.
 */
export class Simplifier {
  readonly #graph: DecisionGraph;
  readonly #done = new Map<Decision, Decision>();
  #stepsLeft = stepsForAll;

  constructor(graph: DecisionGraph) {
    this.#graph = graph;
  }

  simplify(root: Decision): Decision {
    const known = this.#done.get(root);
    if (known !== undefined) return known;
    const budget = Math.min(stepsForOne, this.#stepsLeft);
    let steps = 0;
    const visit = (node: Decision, facts: Facts): Decision | undefined => {
      if (node.kind === "return") return node;
      steps += 1;
      if (steps > budget) return undefined;
      const settled = outcome(node, facts);
      if (settled !== undefined) return visit(settled ? node.yes : node.no, facts);
      const yes = visit(node.yes, learn(facts, node, true));
      const no = yes === undefined ? undefined : visit(node.no, learn(facts, node, false));
      if (yes === undefined || no === undefined) return undefined;
      return this.#graph.test(node.word, node.mask, node.op, node.value, yes, no);
    };
    const simple = visit(root, new Map()) ?? root;
    this.#stepsLeft -= steps;
    this.#done.set(root, simple);
    return simple;
  }
}

/** What is known of `word & mask` on the path so far. */
interface Fact {
  readonly min: number;
  readonly max: number;
  readonly not: readonly number[];
  /** Bits known to be 0. */
  readonly clear: number;
  /** Bits known to be 1. */
  readonly set: number;
}

type Facts = ReadonlyMap<string, Fact>;

const nothing: Fact = { min: 0, max: fullMask, not: [], clear: 0, set: 0 };

function operand(test: Test): string {
  return `${String(test.word)} ${String(test.mask)}`;
}

function outcome(test: Test, facts: Facts): boolean | undefined {
  const whole = facts.get(`${String(test.word)} ${String(fullMask)}`);
  if (whole !== undefined && whole.min === whole.max) return holds(test, (whole.min & test.mask) >>> 0);
  const fact = facts.get(operand(test));
  if (fact === undefined) return undefined;
  const { min, max, not, clear, set } = fact;
  if (min === max) return holds(test, min);
  const { value } = test;
  switch (test.op) {
    case "eq":
      if (value < min || value > max || not.includes(value)) return false;
      return (value & clear) !== 0 || (~value & set) !== 0 ? false : undefined;
    case "gt":
      return min > value ? true : max <= value ? false : undefined;
    case "ge":
      return min >= value ? true : max < value ? false : undefined;
    case "set":
      return (value & set) !== 0 ? true : (value & ~clear) === 0 ? false : undefined;
  }
}

function holds(test: Test, known: number): boolean {
  switch (test.op) {
    case "eq":
      return known === test.value;
    case "gt":
      return known > test.value;
    case "ge":
      return known >= test.value;
    case "set":
      return (known & test.value) !== 0;
  }
}

function learn(facts: Facts, test: Test, held: boolean): Facts {
  const key = operand(test);
  const known = facts.get(key) ?? nothing;
  return new Map(facts).set(key, sharpen(known, test, held));
}

function sharpen(fact: Fact, { op, value }: Test, held: boolean): Fact {
  switch (op) {
    case "eq":
      return held ? { ...fact, min: value, max: value } : { ...fact, not: [...fact.not, value] };
    case "gt":
      return held
        ? { ...fact, min: Math.max(fact.min, value + 1) }
        : { ...fact, max: Math.min(fact.max, value) };
    case "ge":
      return held
        ? { ...fact, min: Math.max(fact.min, value) }
        : { ...fact, max: Math.min(fact.max, value - 1) };
    case "set":
      if (!held) return { ...fact, clear: fact.clear | value };
      return (value & (value - 1)) === 0 ? { ...fact, set: fact.set | value } : fact;
  }
}
