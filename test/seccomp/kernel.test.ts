import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import test from "ava";
import fc from "fast-check";
import { action, actionData } from "../../src/seccomp/actions.js";
import { evaluator } from "../../src/seccomp/evaluate.js";
import { baseDenials } from "../../src/seccomp/base-denials.js";
import { compileFilter, compileProfile } from "../../src/seccomp/filter.js";
import { loadProfile } from "../../src/seccomp/load-profile.js";
import type { SeccompProfile, SeccompRule } from "../../src/seccomp/profile.js";
import { auditArch, syscallNumber, type Arch } from "../../src/seccomp/syscall-table.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch } from "../helpers/scratch.js";
import { callsFor, ownRule } from "./arbitraries.js";
import type { Call } from "./reference.js";

const withCompiler = requires(test, "program:cc");

/** Calls the oracle does not make itself, each refused with an errno that says which rule refused it. */
const names = [
  "acct",
  "swapon",

  "mount",
  "chroot",
  "add_key",
  "keyctl",
  "setns",
  "kexec_load",
  "quotactl",
] as const;

withCompiler("the kernel answers 200 filters with 100 calls each as our evaluator does", (t) => {
  const arch: Arch = process.arch === "arm64" ? "arm64" : "x64";
  const folder = mkdtempSync(path.join(tmpdir(), "skillbox-kernel-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const oracle = path.join(folder, "oracle");
  execFileSync("cc", ["-O1", "-Wall", "-Wextra", "-o", oracle, path.resolve("test/seccomp/kernel-oracle.c")]);

  const numbers = names.flatMap((name) => syscallNumber(arch, name) ?? []);
  const profile = fc.array(ownRule, { minLength: 8, maxLength: 40 }).map((rules): SeccompProfile => {
    const refusals = rules.map((rule, index): SeccompRule => ({
      ...rule,
      names: [names[index % names.length] ?? "acct"],
      action: action.errno(index + 200),
    }));
    const rest: SeccompRule = { names, action: action.errno(199), args: [{ arg: 0, op: "GE", value: 0n }] };
    return { defaultAction: action.allow, rules: [...refusals, rest] };
  });
  const samples = fc.sample(
    profile.chain((made) =>
      fc.tuple(
        fc.constant(made),
        fc.array(callsFor(made.rules, numbers), { minLength: 100, maxLength: 100 }),
      ),
    ),
    { numRuns: 200, seed: 42 },
  );
  const answers = new Set<number>();
  for (const [made, calls] of samples) {
    const program = compileProfile(arch, made);
    const file = path.join(folder, "filter");
    writeFileSync(file, program);
    const evaluate = evaluator(program);
    const expected = calls.map((call) => -actionData(evaluate({ ...call, arch: auditArch[arch] }).action));
    t.deepEqual(askKernel(oracle, file, calls), expected);
    for (const answer of expected) answers.add(answer);
  }
  t.true(answers.size > 20, "the samples reach many rules");
});

requires(
  test,
  "program:cc",
  "program:gcc",
  "program:python3",
  "program:strace",
)(
  "a call that a tracer skips is not killed as one of x32: strace injects a failure under the default filter",
  (t) => {
    const box = scratch(t);
    compileProbe("with-filter", box.work);
    const arch: Arch = process.arch === "arm64" ? "arm64" : "x64";
    const { program } = compileFilter({
      arch,
      profile: loadProfile("default", { arch }),
      baseDenials,
      notify: [],
    });
    const filter = box.file("filter", program);
    const argv = ["-e", "trace=mkdir,mkdirat", "-e", "inject=mkdir,mkdirat:error=EXDEV", "-o", "/dev/null"];
    const made = spawnSync(
      "strace",
      [...argv, box.at("work/with-filter"), filter, "mkdir", box.at("work/d")],
      {
        encoding: "utf8",
        env: { ...process.env, LC_ALL: "C" },
      },
    );
    t.deepEqual([made.status, made.signal], [1, null], made.stderr);
    t.regex(made.stderr, /^mkdir: cannot create directory .*: Invalid cross-device link\n$/);
    // And made by the program itself it is a call that nobody knows.
    const script =
      "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.syscall(-1), ctypes.get_errno())";
    const own = spawnSync(box.at("work/with-filter"), [filter, "python3", "-c", script], {
      encoding: "utf8",
    });
    t.deepEqual([own.status, own.stdout], [0, "-1 38\n"], own.stderr);
  },
);

/** The result of each call as the kernel's raw return value: 0 or a negative errno. */
function askKernel(oracle: string, file: string, calls: readonly Call[]): number[] {
  const input = calls.map(({ nr, args }) => `${[nr, ...args].join(" ")}\n`).join("");
  const output = execFileSync(oracle, [file], { input, encoding: "utf8" });
  return output
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [value, errno] = line.split(" ").map(Number);
      return value === -1 ? -(errno ?? 0) : (value ?? NaN);
    });
}
