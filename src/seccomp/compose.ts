import { action, isErrno, strictness } from "./actions.js";
import { firstMatch, type BoundRule } from "./conditions.js";
import { DecisionGraph, returnedActions, type Decision } from "./decision.js";
import { dispatch } from "./dispatch.js";
import type { NotifyRule, SeccompProfile, SeccompRule } from "./profile.js";
import { Simplifier } from "./simplify.js";
import { syscallNumber, syscalls, type Arch } from "./syscall-table.js";

const ENOSYS = 38;

/** Everything that has a say in one filter. */
export interface Layers {
  readonly arch: Arch;
  readonly profile: SeccompProfile;
  readonly baseDenials: readonly SeccompRule[];
  readonly notify: readonly NotifyRule[];
  /** For numbers that no table knows. */
  readonly unknownCalls: number;
}

export interface Composition {
  readonly arch: Arch;
  readonly graph: DecisionGraph;
  /** By number. */
  readonly decisions: ReadonlyMap<number, Decision>;
  readonly unknownCalls: number;
}

/** For each call: the profile decides, the denials restrict, the audit asks. */
export function compose(layers: Layers): Composition {
  const { arch, profile, unknownCalls } = layers;
  const graph = new DecisionGraph();
  // As in runc, a rule with the default's own action is no rule: it takes no precedence over others.
  const rules = byNumber(
    arch,
    profile.rules.filter((rule) => rule.action !== profile.defaultAction),
  );
  const denials = byNumber(arch, layers.baseDenials);
  const notify = byNumber(arch, layers.notify);
  const simplifier = new Simplifier(graph);
  const decisions = new Map<number, Decision>();
  for (const number of syscalls(arch).values()) {
    const allowed = decide(graph, rules.get(number) ?? [], profile.defaultAction);
    const restricted = deny(graph, allowed, denials.get(number) ?? []);
    const decision = record(graph, restricted, notify.get(number) ?? []);
    decisions.set(number, simplifier.simplify(decision));
  }
  return { arch, graph, decisions, unknownCalls };
}

/**
 * The same, with the supervisor asked where the filter would refuse with an errno. Except for clone3: libc tries it on every fork, and only
 * ENOSYS makes it go on to clone, while a signal that interrupts a notification would give it EINTR for an answer.
 */
export function refusalsOnRecord(composition: Composition): Composition {
  const { arch, graph, decisions } = composition;
  const clone3 = syscallNumber(arch, "clone3");
  const onRecord = (value: number): number => (isErrno(value) ? action.notify : value);
  const ask = (value: number): Decision => graph.return(onRecord(value));
  const asking = new Map<number, Decision>();
  for (const [number, decision] of decisions) {
    asking.set(number, number === clone3 ? decision : graph.mapReturns(decision, ask));
  }
  return { ...composition, decisions: asking, unknownCalls: onRecord(composition.unknownCalls) };
}

/** The decision of the whole filter. */
export function root({ arch, graph, decisions, unknownCalls }: Composition): Decision {
  return dispatch(graph, arch, decisions, graph.return(unknownCalls));
}

/** What nobody has judged does not exist, unless the profile is stricter still. */
export function unknownCallAction(profile: SeccompProfile): number {
  const absent = action.errno(ENOSYS);
  return strictness(profile.defaultAction) < strictness(absent) ? profile.defaultAction : absent;
}

/** Names that only other architectures have fall away here. */
function byNumber<Rule extends NotifyRule | SeccompRule>(
  arch: Arch,
  rules: readonly Rule[],
): Map<number, Rule[]> {
  const table = new Map<number, Rule[]>();
  for (const rule of rules) {
    for (const name of rule.names) {
      const number = syscallNumber(arch, name);
      if (number === undefined) continue;
      const known = table.get(number);
      if (known === undefined) table.set(number, [rule]);
      else known.push(rule);
    }
  }
  return table;
}

/** The rules of one call, by the semantics that {@link SeccompProfile} states. */
function decide(graph: DecisionGraph, rules: readonly SeccompRule[], defaultAction: number): Decision {
  const unconditional = rules.find((rule) => rule.args.every(({ mask }) => mask === 0n));
  if (unconditional !== undefined) return graph.return(unconditional.action);
  const strictestFirst = [...rules].sort((a, b) => strictness(a.action) - strictness(b.action));
  return firstMatch(graph, bind(graph, strictestFirst), graph.return(defaultAction));
}

function bind(graph: DecisionGraph, rules: readonly SeccompRule[]): BoundRule[] {
  return rules.map((rule) => ({ args: rule.args, outcome: graph.return(rule.action) }));
}

/** Where a denial holds, its action, unless the profile's own is stricter still. */
function deny(graph: DecisionGraph, decision: Decision, denials: readonly SeccompRule[]): Decision {
  if (denials.length === 0) return decision;
  const bound = bind(graph, denials);
  const weakest = Math.max(...denials.map((rule) => strictness(rule.action)));
  const outranks = (value: number): boolean => strictness(value) < weakest;
  if (!returnedActions(decision).some(outranks)) return firstMatch(graph, bound, decision);
  return graph.mapReturns(decision, (value) =>
    outranks(value) ? graph.return(value) : firstMatch(graph, bound, graph.return(value)),
  );
}

/** Where a call is allowed and a notify rule holds, the supervisor is asked. */
function record(graph: DecisionGraph, decision: Decision, rules: readonly NotifyRule[]): Decision {
  if (rules.length === 0) return decision;
  const outcome = graph.return(action.notify);
  const bound = rules.map((rule) => ({ args: rule.args ?? [], outcome }));
  return graph.mapReturns(decision, (value) =>
    value === action.allow || value === action.log
      ? firstMatch(graph, bound, graph.return(value))
      : graph.return(value),
  );
}
