/** A seccomp profile as the compiler takes it; `parse-profile.ts` makes one from JSON. */

/** Comparisons of unsigned 64-bit numbers, named as libseccomp's SCMP_CMP_*. */
export type CompareOp = "EQ" | "NE" | "LT" | "LE" | "GT" | "GE";

/** `(args[arg] & mask) op value`. SCMP_CMP_MASKED_EQ is EQ with a mask. */
export interface ArgCondition {
  /** 0 to 5. */
  readonly arg: number;
  readonly op: CompareOp;
  readonly value: bigint;
  /** Absent means all 64 bits. */
  readonly mask?: bigint;
}

export interface SeccompRule {
  readonly names: readonly string[];
  /** A SECCOMP_RET_* value with its data, see `actions.ts`. */
  readonly action: number;
  /** All must hold. Empty: the rule holds for every call of these names. */
  readonly args: readonly ArgCondition[];
  /** What the rule is for, in one sentence. */
  readonly comment?: string;
}

/**
 * What happens to a call:
 * - an unconditional rule (one without conditions, or whose masks are all 0) decides for its call, and makes conditional ones for it void (the first one, if there are several);
 * - else, of the conditional rules that hold, the one with the strictest action (first one on a tie);
 * - else `defaultAction`.
 *
 * The first and last are libseccomp's. For overlapping conditional rules of different actions libseccomp's answer depends on the
 * order inside its own tree; here it is the order in which the kernel ranks the answers of stacked filters.
 */
export interface SeccompProfile {
  /** Where it was read from, for messages. */
  readonly file?: string;
  readonly defaultAction: number;
  readonly rules: readonly SeccompRule[];
}

/** Calls to put on record. As in a profile, the conditions of a rule must all hold, and any rule will do. */
export interface NotifyRule {
  readonly names: readonly string[];
  readonly args?: readonly ArgCondition[];
}

const low32 = 0xffff_ffffn;

/**
 * Compares only the low 32 bits, as the kernel does when the parameter is an int or unsigned int: the upper half of the
 * register is whatever the program left there, and a filter that looks at it can be walked around (CVE-2019-10063).
 */
export function low(arg: number, op: CompareOp, value: number, mask = 0xffff_ffff): ArgCondition {
  return { arg, op, value: BigInt(value), mask: BigInt(mask >>> 0) & low32 };
}
