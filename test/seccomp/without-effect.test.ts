import { readFileSync } from "node:fs";
import path from "node:path";
import test from "ava";
import fc from "fast-check";
import { action } from "../../src/seccomp/actions.js";
import { baseDenials } from "../../src/seccomp/base-denials.js";
import { explain } from "../../src/seccomp/explain.js";
import { loadProfile } from "../../src/seccomp/load-profile.js";
import { parseProfile } from "../../src/seccomp/parse-profile.js";
import { low, type ArgCondition, type SeccompProfile } from "../../src/seccomp/profile.js";
import { syscallNumber } from "../../src/seccomp/syscall-table.js";
import { describeWithoutEffect, rulesWithoutEffect } from "../../src/seccomp/without-effect.js";

function inVain(profile: SeccompProfile): string[] {
  return rulesWithoutEffect({ arch: "x64", profile, baseDenials }).map(({ name }) => name);
}

function permitting(name: string, ...args: readonly ArgCondition[]): SeccompProfile {
  return { defaultAction: action.errno(1), rules: [{ names: [name], action: action.allow, args }] };
}

const cases: readonly [string, SeccompProfile, boolean][] = [
  ["ptrace", permitting("ptrace"), true],
  ["ptrace with conditions", permitting("ptrace", low(0, "EQ", 0)), true],
  ["read", permitting("read"), false],
  ["clone", permitting("clone"), false],
  ["clone with a new namespace", permitting("clone", low(0, "EQ", 0x1000_0000)), true],
  ["clone with any of the namespaces", permitting("clone", low(0, "EQ", 0x1000_0000, 0x1000_0000)), true],
  ["unshare of files", permitting("unshare", { arg: 0, op: "EQ", value: 0x400n }), false],
  ["unshare of mounts", permitting("unshare", { arg: 0, op: "EQ", value: 0x2_0000n }), true],
  ["personality of another system", permitting("personality", low(0, "EQ", 0x2_0008)), true],
  ["personality PER_LINUX32", permitting("personality", low(0, "EQ", 8)), false],
  ["TIOCSTI", permitting("ioctl", low(1, "EQ", 0x5412)), true],
  ["FICLONE", permitting("ioctl", low(1, "EQ", 0x4004_9409)), false],
  ["a call of another architecture", permitting("arm_fadvise64_64"), false],
  [
    "a refusal with another errno",
    { defaultAction: action.allow, rules: [{ names: ["ptrace"], action: action.errno(38), args: [] }] },
    false,
  ],
  [
    "a kill, which is stricter",
    { defaultAction: action.allow, rules: [{ names: ["ptrace"], action: action.killProcess, args: [] }] },
    false,
  ],
];

for (const [what, profile, vain] of cases) {
  test(`${vain ? "in vain" : "not in vain"}: ${what}`, (t) => {
    t.is(inVain(profile).length, vain ? 1 : 0);
  });
}

test("our own profiles permit nothing in vain; Docker's does, and each reason is told once", (t) => {
  t.deepEqual(inVain(loadProfile("default", { arch: "x64" })), []);
  t.deepEqual(inVain(loadProfile("strict", { arch: "x64" })), []);
  const file = path.resolve("test/fixtures/seccomp/docker-default.json");
  const docker = parseProfile({ file, text: readFileSync(file, "utf8") }, { arch: "x64" });
  const found = rulesWithoutEffect({ arch: "x64", profile: docker, baseDenials });
  t.true(found.some(({ name }) => name === "ptrace"));
  const lines = describeWithoutEffect(found);
  t.is(new Set(lines).size, lines.length);
  const personality =
    "permits personality with argument 0 = 0x20000, personality with argument 0 = 0x20008, which";
  t.true(lines.some((line) => line.includes(personality)));
  t.regex(
    lines.join("\n"),
    /^the profile permits .*ptrace.*, which skillbox refuses under every profile: Stops /m,
  );
});

test("what is said to be in vain is refused for every argument that is tried", (t) => {
  const value = fc.oneof(
    fc.constantFrom(0n, 1n, 8n, 0x400n, 0x2_0000n, 0x1000_0000n, 0x5412n, 0x4004_9409n, 0xffff_ffffn),
    fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
  );
  const name = fc.constantFrom(
    "clone",
    "unshare",
    "personality",
    "ioctl",
    "prlimit64",
    "seccomp",
    "ptrace",
    "socket",
  );
  const condition = fc.record({
    arg: fc.nat(2),
    op: fc.constantFrom("EQ", "NE", "LT", "GE"),
    value,
  });
  fc.assert(
    fc.property(
      name,
      fc.array(condition, { maxLength: 2 }),
      fc.array(fc.tuple(value, value, value)),
      (called, args, tried) => {
        const profile = permitting(called, ...args);
        if (inVain(profile).length === 0) return;
        for (const registers of tried) {
          const call = { nr: syscallNumber("x64", called) ?? -1, args: registers };
          t.not(explain({ arch: "x64", profile, baseDenials }, call).action, action.allow);
        }
      },
    ),
    { numRuns: 2000 },
  );
  t.pass();
});
