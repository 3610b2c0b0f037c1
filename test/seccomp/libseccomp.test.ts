import { readFileSync } from "node:fs";
import test from "ava";
import fc from "fast-check";
import { action } from "../../src/seccomp/actions.js";
import { evaluator } from "../../src/seccomp/evaluate.js";
import { compileProfile } from "../../src/seccomp/filter.js";
import { parseProfile } from "../../src/seccomp/parse-profile.js";
import type { SeccompProfile } from "../../src/seccomp/profile.js";
import { auditArch, syscallNumber, syscalls, x32Bit, type Arch } from "../../src/seccomp/syscall-table.js";
import { requires } from "../helpers/requires.js";
import { callsFor, names, ociProfile } from "./arbitraries.js";
import { Libseccomp, type Layout } from "./libseccomp.js";
import { matching, profileAction, type Call } from "./reference.js";

/** Debian: packages seccomp (whose program stands for both) and libseccomp-dev. */
const withLibseccomp = requires(test, "program:cc", "program:scmp_sys_resolver");
const arches: readonly Arch[] = ["x64", "arm64"];
const layouts: readonly Layout[] = ["linear", "tree"];

/** The newest call that libseccomp 2.5.4 knows. */
const newestKnown = 449;

/** Where conditional rules of different actions overlap, libseccomp's answer hangs on the order inside its tree. */
function isAmbiguous(arch: Arch, profile: SeccompProfile, call: Call): boolean {
  return new Set(matching(arch, profile, call).map((rule) => rule.action)).size > 1;
}

/**
 * libseccomp 2.5.4 goes wrong where two rules of a call compare one argument by order. Of `args[2] < 2` and `args[2] < 1<<32`
 * (two rules, two actions) it lets 0xfe through as if neither held; `args[0] > 8` beside `args[0] <= 0x7fffffff && args[2] > 15`
 * holds for 1. There the plain reading decides who is right.
 */
function isTroubled(arch: Arch, profile: SeccompProfile, call: Call): boolean {
  const ordered = profile.rules
    .filter((rule) => rule.names.some((name) => syscallNumber(arch, name) === call.nr))
    .flatMap((rule) => rule.args.filter(({ op }) => op !== "EQ" && op !== "NE").map(({ arg }) => arg));
  return new Set(ordered).size < ordered.length;
}

for (const arch of arches) {
  withLibseccomp(`${arch}: 3000 generated profiles answer 40 calls each as libseccomp's filters do`, (t) => {
    using libseccomp = new Libseccomp();
    const numbers = [...names.flatMap((name) => syscallNumber(arch, name) ?? []), 350, 0xffff_ffff];
    if (arch === "x64") numbers.push(0x4000_0001, 0x4000_0000);
    const samples = fc.sample(
      ociProfile.chain((profile) =>
        fc.tuple(
          fc.constant(profile),
          fc.array(callsFor(profile.rules, numbers), { minLength: 40, maxLength: 40 }),
        ),
      ),
      { numRuns: 3000, seed: 20261124 },
    );
    const programs = libseccomp.build(
      samples.map(([profile], index) => ({ arch, profile, layout: index % 2 === 0 ? "linear" : "tree" })),
    );
    let compared = 0;
    let disputed = 0;
    let refused = 0;
    samples.forEach(([profile, calls], index) => {
      const theirs = programs[index];
      if (theirs === undefined) {
        refused += 1;
        return;
      }
      const us = evaluator(compileProfile(arch, profile));
      const them = evaluator(theirs);
      for (const call of calls) {
        if (isAmbiguous(arch, profile, call)) continue;
        const data = { ...call, arch: auditArch[arch] };
        compared += 1;
        const [ours, other] = [us(data).action, them(data).action];
        if (ours === other) continue;
        t.true(isTroubled(arch, profile, call), JSON.stringify({ profile, call, ours, other }, bigints));
        const plain = (call.nr & x32Bit) === 0 || call.nr === 0xffff_ffff;
        t.is(ours, plain ? profileAction(arch, profile, call) : action.killProcess);
        disputed += 1;
      }
    });
    t.log(
      `${compared} calls compared, ${disputed} times libseccomp is wrong; it refused ${refused} of ${samples.length} profiles`,
    );
    t.true(compared > 60_000);
    t.true(disputed < compared / 2000);
  });
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `0x${value.toString(16)}` : value;
}

const published = ["docker-default", "podman-default"] as const;

for (const name of published) {
  for (const arch of arches) {
    withLibseccomp(
      `${name}.json on ${arch}: every call answers as libseccomp's filter does, in fewer instructions`,
      (t) => {
        using libseccomp = new Libseccomp();
        const file = `test/fixtures/seccomp/${name}.json`;
        const profile = parseProfile({ file, text: readFileSync(file, "utf8") }, { arch });
        const ours = compileProfile(arch, profile);
        const us = evaluator(ours);
        const args = fc.sample(callsFor(profile.rules, [0]), { numRuns: 200, seed: 1 });
        for (const [index, theirs] of libseccomp
          .build(layouts.map((layout) => ({ arch, layout, profile })))
          .entries()) {
          if (theirs === undefined) {
            t.fail("libseccomp refused it");
            return;
          }
          const them = evaluator(theirs);
          let ourSteps = 0;
          let theirSteps = 0;
          for (const nr of syscalls(arch).values()) {
            if (nr > newestKnown) continue;
            for (const { args: values } of args) {
              const data = { nr, arch: auditArch[arch], args: values };
              const [a, b] = [us(data), them(data)];
              t.is(a.action, b.action, `call ${nr}`);
              if (a.action !== action.allow) continue;
              ourSteps += a.steps;
              theirSteps += b.steps;
            }
          }
          const ratio = ourSteps / theirSteps;
          t.log(
            `${layouts[index] ?? ""}: ${ours.byteLength / 8} instructions against ${theirs.byteLength / 8}; ` +
              `an allowed call takes ${ratio.toFixed(3)} of theirs`,
          );
          t.true(ratio < 0.9);
        }
      },
    );
  }
}
