import { action, strictness } from "./actions.js";
import { firstMatch } from "./conditions.js";
import { DecisionGraph, returnedActions } from "./decision.js";
import type { FilterInput } from "./filter.js";
import type { ArgCondition, SeccompRule } from "./profile.js";
import { Simplifier } from "./simplify.js";
import { syscallNumber } from "./syscall-table.js";

/** A rule of a profile that base denials leave nothing of, for one of its calls. */
export interface WithoutEffect {
  readonly name: string;
  /** On what conditions the rule permits it. */
  readonly args: readonly ArgCondition[];
  /** What stands against it, with its comment. */
  readonly denial: SeccompRule;
}

/**
 * The calls that a profile's rules permit and that are refused all the same, whatever their arguments: whoever wrote the rule
 * believes in something that does not happen. Conditions that only together leave nothing are found where the compiler finds them.
 */
export function rulesWithoutEffect(
  input: Pick<FilterInput, "arch" | "profile" | "baseDenials">,
): WithoutEffect[] {
  const { arch, profile, baseDenials } = input;
  const found: WithoutEffect[] = [];
  for (const rule of profile.rules) {
    if (rule.action === profile.defaultAction) continue;
    for (const name of rule.names) {
      if (syscallNumber(arch, name) === undefined) continue;
      const denials = baseDenials.filter(({ names }) => names.includes(name));
      const [first] = denials;
      if (first === undefined || !denials.every((denial) => isWeaker(rule, denial))) continue;
      if (!canHold(rule, denials)) found.push({ name, args: rule.args, denial: first });
    }
  }
  return found;
}

/** "ptrace, process_vm_readv: …" for each reason; none where everything has its effect. */
export function describeWithoutEffect(found: readonly WithoutEffect[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const { name, args, denial } of found) {
    const reason = denial.comment ?? "";
    const call = [name, ...args.map(describeCondition)].join(" with ");
    byReason.set(reason, [...(byReason.get(reason) ?? []), call]);
  }
  return [...byReason].map(
    ([reason, names]) =>
      `the profile permits ${[...new Set(names)].join(", ")}, which skillbox refuses under every profile: ${reason}`,
  );
}

function describeCondition({ arg, op, value, mask }: ArgCondition): string {
  const masked = mask === undefined ? "" : `, masked with 0x${mask.toString(16)}`;
  return `argument ${arg} ${signs[op]} 0x${value.toString(16)}${masked}`;
}

const signs = { EQ: "=", NE: "≠", LT: "<", LE: "≤", GT: ">", GE: "≥" } as const;

function isWeaker(rule: SeccompRule, denial: SeccompRule): boolean {
  return strictness(rule.action) > strictness(denial.action);
}

/** Whether there are arguments for which the rule and none of the denials decides. */
function canHold(rule: SeccompRule, denials: readonly SeccompRule[]): boolean {
  const graph = new DecisionGraph();
  const neither = graph.return(action.killProcess);
  const permitted = firstMatch(graph, [{ args: rule.args, outcome: graph.return(rule.action) }], neither);
  const bound = denials.map(({ args }) => ({ args, outcome: neither }));
  const decision = new Simplifier(graph).simplify(firstMatch(graph, bound, permitted));
  return returnedActions(decision).includes(rule.action);
}
