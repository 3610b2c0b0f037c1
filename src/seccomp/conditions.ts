import type { ArgCondition } from "./profile.js";
import type { Decision, DecisionGraph } from "./decision.js";

const all64 = 0xffff_ffff_ffff_ffffn;

/** A rule of one call, bound to its outcome. */
export interface BoundRule {
  readonly args: readonly ArgCondition[];
  readonly outcome: Decision;
}

/** The first rule whose conditions all hold decides, else `fallback`. */
export function firstMatch(graph: DecisionGraph, rules: readonly BoundRule[], fallback: Decision): Decision {
  return rules.reduceRight<Decision>((otherwise, rule) => allOf(graph, rule, otherwise), fallback);
}

function allOf(graph: DecisionGraph, rule: BoundRule, otherwise: Decision): Decision {
  return rule.args.reduceRight<Decision>(
    (then, condition) => branch(graph, condition, then, otherwise),
    rule.outcome,
  );
}

/** One comparison of 64 bits, as tests of the two 32-bit words that classic BPF can load. */
function branch(graph: DecisionGraph, condition: ArgCondition, yes: Decision, no: Decision): Decision {
  const halves = split(condition);
  switch (condition.op) {
    case "EQ":
      return equal(graph, halves, yes, no);
    case "NE":
      return equal(graph, halves, no, yes);
    case "GT":
      return greater(graph, halves, "gt", yes, no);
    case "LE":
      return greater(graph, halves, "gt", no, yes);
    case "GE":
      return greater(graph, halves, "ge", yes, no);
    case "LT":
      return greater(graph, halves, "ge", no, yes);
  }
}

interface Half {
  readonly word: number;
  readonly mask: number;
  readonly value: number;
}

interface Halves {
  readonly high: Half;
  readonly low: Half;
}

/** args[] starts at byte 16 of struct seccomp_data; both architectures are little endian, the low half comes first. */
function split(condition: ArgCondition): Halves {
  const offset = 16 + 8 * condition.arg;
  const mask = condition.mask ?? all64;
  return {
    high: { word: offset + 4, mask: Number(mask >> 32n), value: Number(condition.value >> 32n) },
    low: { word: offset, mask: Number(mask & 0xffff_ffffn), value: Number(condition.value & 0xffff_ffffn) },
  };
}

function equal(graph: DecisionGraph, { high, low }: Halves, yes: Decision, no: Decision): Decision {
  const lowEqual = equalHalf(graph, low, yes, no);
  return equalHalf(graph, high, lowEqual, no);
}

function equalHalf(graph: DecisionGraph, half: Half, yes: Decision, no: Decision): Decision {
  if (half.mask === 0) return half.value === 0 ? yes : no;
  return graph.test(half.word, half.mask, "eq", half.value, yes, no);
}

/** high > H, or high == H and low > L (or >= L). */
function greater(
  graph: DecisionGraph,
  { high, low }: Halves,
  op: "gt" | "ge",
  yes: Decision,
  no: Decision,
): Decision {
  const lowGreater =
    low.mask === 0
      ? low.value === 0 && op === "ge"
        ? yes
        : no
      : graph.test(low.word, low.mask, op, low.value, yes, no);
  if (high.mask === 0) return high.value === 0 ? lowGreater : no;
  const highEqual = graph.test(high.word, high.mask, "eq", high.value, lowGreater, no);
  return graph.test(high.word, high.mask, "gt", high.value, yes, highEqual);
}
