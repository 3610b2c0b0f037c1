import { strictness } from "./actions.js";
import { unknownCallAction } from "./compose.js";
import type { FilterInput } from "./filter.js";
import type { ArgCondition, SeccompProfile, SeccompRule } from "./profile.js";
import { syscallName } from "./syscall-table.js";

/** A call as the filter sees it. */
export interface Call {
  readonly nr: number;
  /** Up to six unsigned 64-bit registers; missing ones are 0. */
  readonly args: readonly bigint[];
}

export interface Explanation {
  /** The SECCOMP_RET_* value of the verdict, before the audit makes some of them USER_NOTIF. */
  readonly action: number;
  /** Who decided: a base denial, a rule of the profile, its default, or nobody, because no table knows the number. */
  readonly source: "base" | "profile" | "default" | "unknown";
  /** The rule that decided, with its comment. */
  readonly rule?: SeccompRule;
}

/**
 * Why a filter answers a call as it does: for `policy explain` and for the `rule` of an event. It reads the rules one by one and
 * shares nothing with the compiler, so that each is a check on the other.
 */
export function explain(input: Omit<FilterInput, "notify">, call: Call): Explanation {
  const { arch, profile, baseDenials } = input;
  const name = syscallName(arch, call.nr);
  if (name === undefined) return { action: unknownCallAction(profile), source: "unknown" };
  const own = explainProfile(profile, name, call);
  const denial = baseDenials.find((rule) => rule.names.includes(name) && allHold(rule, call));
  if (denial === undefined || strictness(own.action) < strictness(denial.action)) return own;
  return { action: denial.action, source: "base", rule: denial };
}

function explainProfile(profile: SeccompProfile, name: string, call: Call): Explanation {
  const rules = profile.rules.filter(
    (rule) => rule.names.includes(name) && rule.action !== profile.defaultAction,
  );
  const unconditional = rules.find((rule) => rule.args.every(({ mask }) => mask === 0n));
  const held = unconditional === undefined ? rules.filter((rule) => allHold(rule, call)) : [unconditional];
  const [first, ...others] = held;
  if (first === undefined) return { action: profile.defaultAction, source: "default" };
  const rule = others.reduce(
    (strictest, other) => (strictness(other.action) < strictness(strictest.action) ? other : strictest),
    first,
  );
  return { action: rule.action, source: "profile", rule };
}

function allHold(rule: SeccompRule, call: Call): boolean {
  return rule.args.every((condition) => holds(condition, call.args[condition.arg] ?? 0n));
}

const all64 = 0xffff_ffff_ffff_ffffn;

function holds({ op, value, mask }: ArgCondition, register: bigint): boolean {
  const seen = register & (mask ?? all64);
  switch (op) {
    case "EQ":
      return seen === value;
    case "NE":
      return seen !== value;
    case "LT":
      return seen < value;
    case "LE":
      return seen <= value;
    case "GT":
      return seen > value;
    case "GE":
      return seen >= value;
  }
}
