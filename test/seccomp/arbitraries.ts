import fc from "fast-check";
import { action } from "../../src/seccomp/actions.js";
import type { ArgCondition, CompareOp, SeccompProfile, SeccompRule } from "../../src/seccomp/profile.js";
import type { Call } from "./reference.js";

/** Numbers where comparisons of halves go wrong, if they do. */
const edges = [
  0n,
  1n,
  2n,
  3n,
  5n,
  7n,
  8n,
  0xfn,
  0x10n,
  0xffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x1_0000_0001n,
  0x5_0000_0003n,
  0xffff_ffff_0000_0000n,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
] as const;

export const value = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...edges) },
  fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
);

export const names = [
  "read",
  "ioctl",
  "socket",
  "clone",
  "fcntl",
  "prctl",
  "personality",
  "openat",
  "futex",
  "close",
  "kill",
  "statx",
  "clone3",
  "openat2",
] as const;

const someAction = fc.constantFrom(
  action.allow,
  action.errno(1),
  action.errno(38),
  action.errno(0),
  action.killProcess,
  action.killThread,
  action.trap,
  action.trace(7),
  action.log,
  action.notify,
);

const op = fc.constantFrom<CompareOp>("EQ", "NE", "LT", "LE", "GT", "GE");

const plainCondition = fc.record({ arg: fc.nat(5), op, value });

const maskedCondition = fc
  .tuple(fc.nat(5), value, value)
  .map(([arg, mask, wanted]): ArgCondition => ({ arg, op: "EQ", mask, value: wanted & mask }));

/** What only our own rules use: any comparison under a mask. */
const ownCondition = fc.record({ arg: fc.nat(5), op, value, mask: value });

function rules(condition: fc.Arbitrary<ArgCondition>): fc.Arbitrary<SeccompRule> {
  return fc.record({
    names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }),
    action: someAction,
    // libseccomp takes an argument once in a rule.
    args: fc.uniqueArray(condition, { maxLength: 3, selector: ({ arg }) => arg }),
  });
}

function profiles(condition: fc.Arbitrary<ArgCondition>): fc.Arbitrary<SeccompProfile> {
  return fc.record({ defaultAction: someAction, rules: fc.array(rules(condition), { maxLength: 12 }) });
}

/** Profiles that OCI JSON can express. */
export const ociProfile = profiles(fc.oneof(plainCondition, maskedCondition));

export const ownRule = rules(fc.oneof(plainCondition, maskedCondition, ownCondition));
export const ownProfile = profiles(fc.oneof(plainCondition, maskedCondition, ownCondition));

/** Calls near what the profile's rules compare with. */
export function callsFor(
  rulesOfInterest: readonly SeccompRule[],
  numbers: readonly number[],
): fc.Arbitrary<Call> {
  const interesting = rulesOfInterest.flatMap((rule) =>
    rule.args.flatMap(({ value: wanted }) => [
      wanted,
      wanted + 1n,
      wanted - 1n,
      wanted ^ (1n << 32n),
      wanted ^ (1n << 40n),
    ]),
  );
  const near = interesting.map((number) => BigInt.asUintN(64, number));
  const arg = near.length === 0 ? value : fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...near) }, value);
  return fc.record({ nr: fc.constantFrom(...numbers), args: fc.array(arg, { minLength: 6, maxLength: 6 }) });
}
