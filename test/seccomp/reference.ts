import { strictness } from "../../src/seccomp/actions.js";
import type { ArgCondition, SeccompProfile, SeccompRule } from "../../src/seccomp/profile.js";
import { syscallNumber, type Arch } from "../../src/seccomp/syscall-table.js";

/** Profiles as their documentation words them, with nothing compiled: what the compiler is compared with. */

export interface Call {
  readonly nr: number;
  readonly args: readonly bigint[];
}

export function holds({ arg, op, value, mask }: ArgCondition, args: readonly bigint[]): boolean {
  const seen = (args[arg] ?? 0n) & (mask ?? 0xffff_ffff_ffff_ffffn);
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

function rulesFor(arch: Arch, rules: readonly SeccompRule[], nr: number): SeccompRule[] {
  return rules.filter((rule) => rule.names.some((name) => syscallNumber(arch, name) === nr));
}

/** The rules that hold for a call and take part in the decision. */
export function matching(arch: Arch, profile: SeccompProfile, call: Call): SeccompRule[] {
  const rules = rulesFor(arch, profile.rules, call.nr).filter(
    (rule) => rule.action !== profile.defaultAction,
  );
  const unconditional = rules.find((rule) => rule.args.every(({ mask }) => mask === 0n));
  if (unconditional !== undefined) return [unconditional];
  return rules.filter((rule) => rule.args.every((condition) => holds(condition, call.args)));
}

export function profileAction(arch: Arch, profile: SeccompProfile, call: Call): number {
  const held = matching(arch, profile, call);
  const strictest = Math.min(...held.map((rule) => strictness(rule.action)));
  return held.find((rule) => strictness(rule.action) === strictest)?.action ?? profile.defaultAction;
}

export function deniedAction(arch: Arch, denials: readonly SeccompRule[], call: Call): number | undefined {
  return rulesFor(arch, denials, call.nr).find((rule) =>
    rule.args.every((condition) => holds(condition, call.args)),
  )?.action;
}
