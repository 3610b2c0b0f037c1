import test from "ava";
import fc from "fast-check";
import { action, isErrno, strictness } from "../../src/seccomp/actions.js";
import { evaluator, type SeccompData } from "../../src/seccomp/evaluate.js";
import { explain } from "../../src/seccomp/explain.js";
import { compileFilter, compileProfile } from "../../src/seccomp/filter.js";
import type { SeccompProfile, SeccompRule } from "../../src/seccomp/profile.js";
import { auditArch, syscallNumber, type Arch } from "../../src/seccomp/syscall-table.js";
import { verify } from "../../src/seccomp/verify.js";
import { callsFor, names, ownProfile, ownRule } from "./arbitraries.js";
import { deniedAction, holds, profileAction, type Call } from "./reference.js";

const arches: readonly Arch[] = ["x64", "arm64"];

function numbersOf(arch: Arch): number[] {
  return [...names.flatMap((name) => syscallNumber(arch, name) ?? []), 335, 350, 472, 0xffff_ffff];
}

function inArch(arch: Arch, call: Call): SeccompData {
  return { ...call, arch: auditArch[arch] };
}

for (const arch of arches) {
  test(`${arch}: a compiled profile answers as the profile reads`, (t) => {
    fc.assert(
      fc.property(
        ownProfile.chain((profile) =>
          fc.tuple(
            fc.constant(profile),
            fc.array(callsFor(profile.rules, numbersOf(arch)), { minLength: 20, maxLength: 20 }),
          ),
        ),
        ([profile, calls]) => {
          const run = evaluator(compileProfile(arch, profile));
          return calls.every((call) => run(inArch(arch, call)).action === profileAction(arch, profile, call));
        },
      ),
      { numRuns: 1500 },
    );
    t.pass();
  });

  test(`${arch}: denials and audit combine with a profile as documented`, (t) => {
    const layers = fc.record({
      profile: ownProfile,
      baseDenials: fc.array(
        ownRule.map((rule): SeccompRule =>
          isErrno(rule.action) ? rule : { ...rule, action: action.errno(13) },
        ),
        { maxLength: 6 },
      ),
      notify: fc.array(ownRule, { maxLength: 4 }),
      notifyDenials: fc.boolean(),
    });
    fc.assert(
      fc.property(
        layers.chain((input) =>
          fc.tuple(
            fc.constant(input),
            fc.array(
              callsFor([...input.profile.rules, ...input.baseDenials, ...input.notify], numbersOf(arch)),
              {
                minLength: 20,
                maxLength: 20,
              },
            ),
          ),
        ),
        ([input, calls]) => {
          const filter = compileFilter({ arch, ...input });
          const program = evaluator(filter.program);
          const verdicts = evaluator(filter.verdicts);
          return calls.every((call) => {
            const verdict = expectedVerdict(arch, input.profile, input.baseDenials, input.notify, call);
            const refused = isErrno(verdict) && call.nr !== syscallNumber(arch, "clone3");
            const answer = refused && input.notifyDenials ? action.notify : verdict;
            if (answer === action.notify && !filter.notifies) return false;
            const explained = explain({ arch, ...input }, call).action;
            if (explained !== verdict && !(verdict === action.notify && passes.includes(explained)))
              return false;
            return (
              verdicts(inArch(arch, call)).action === verdict && program(inArch(arch, call)).action === answer
            );
          });
        },
      ),
      { numRuns: 1500 },
    );
    t.pass();
  });
}

/** What the audit makes USER_NOTIF, and USER_NOTIF itself. */
const passes: readonly number[] = [action.allow, action.log, action.notify];

function expectedVerdict(
  arch: Arch,
  profile: SeccompProfile,
  denials: readonly SeccompRule[],
  notify: readonly SeccompRule[],
  call: Call,
): number {
  const known =
    names.some((name) => syscallNumber(arch, name) === call.nr) || (arch === "x64" && call.nr === 335);
  if (!known)
    return strictness(profile.defaultAction) < strictness(action.errno(38))
      ? profile.defaultAction
      : action.errno(38);
  const own = profileAction(arch, profile, call);
  const denied = deniedAction(arch, denials, call);
  const decided = denied === undefined || strictness(own) < strictness(denied) ? own : denied;
  if (decided !== action.allow && decided !== action.log) return decided;
  const asks = notify.some(
    (rule) =>
      rule.names.some((name) => syscallNumber(arch, name) === call.nr) &&
      rule.args.every((condition) => holds(condition, call.args)),
  );
  return asks ? action.notify : decided;
}

test("a foreign architecture and x32 are killed, whatever the profile allows", (t) => {
  const allowAll: SeccompProfile = { defaultAction: action.allow, rules: [] };
  const run = evaluator(compileProfile("x64", allowAll));
  const i386 = 0x4000_0003;
  t.is(run({ nr: 1, arch: i386, args: [] }).action, action.killProcess);
  t.is(run({ nr: 1, arch: auditArch.arm64, args: [] }).action, action.killProcess);
  t.is(run({ nr: 0x4000_0001, arch: auditArch.x64, args: [] }).action, action.killProcess);
  t.is(run({ nr: 0xffff_fffe, arch: auditArch.x64, args: [] }).action, action.killProcess);
  t.is(run({ nr: 0xffff_ffff, arch: auditArch.x64, args: [] }).action, action.allow);
  t.is(run({ nr: 1, arch: auditArch.x64, args: [] }).action, action.allow);
  const arm = evaluator(compileProfile("arm64", allowAll));
  t.is(arm({ nr: 1, arch: 0x4000_0028, args: [] }).action, action.killProcess);
  t.is(arm({ nr: 1, arch: auditArch.arm64, args: [] }).action, action.allow);
});

test("jumps over more than 255 instructions arrive", (t) => {
  // Each call compares its own numbers, so that no two share code.
  const many: SeccompProfile = {
    defaultAction: action.errno(38),
    rules: names.flatMap((name, index) =>
      Array.from({ length: 60 }, (_, step): SeccompRule => ({
        names: [name],
        action: step % 2 === 0 ? action.allow : action.errno(1 + (step % 7)),
        args: [
          { arg: index % 6, op: "EQ", value: BigInt(1000 * index + step) },
          { arg: (index + 1) % 6, op: "GT", value: BigInt(step) << 20n },
        ],
      })),
    ),
  };
  const program = compileProfile("x64", many);
  t.true(program.byteLength / 8 > 2000, String(program.byteLength / 8));
  verify(program);
  const run = evaluator(program);
  fc.assert(
    fc.property(callsFor(many.rules, numbersOf("x64")), (call) => {
      return run(inArch("x64", call)).action === profileAction("x64", many, call);
    }),
    { numRuns: 5000 },
  );
});

test("a filter of more than 4096 instructions is refused, with the number", (t) => {
  const rules = Array.from({ length: 1400 }, (_, step): SeccompRule => ({
    names: [names[step % names.length] ?? "read"],
    action: action.allow,
    args: [
      { arg: 0, op: "EQ", value: BigInt(step) << 16n },
      { arg: 1, op: "EQ", value: BigInt(step * 7) },
    ],
  }));
  t.throws(() => compileProfile("x64", { file: "big.json", defaultAction: action.errno(1), rules }), {
    code: "ERR_POLICY",
    message:
      /^big\.json: error: too many rules: the filter would have [0-9]+ instructions, the kernel takes 4096$/,
  });
});
