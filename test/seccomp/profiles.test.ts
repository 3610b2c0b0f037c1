import { readFileSync } from "node:fs";
import test from "ava";
import { action } from "../../src/seccomp/actions.js";
import { baseDenials } from "../../src/seccomp/base-denials.js";
import { evaluator } from "../../src/seccomp/evaluate.js";
import { compileFilter } from "../../src/seccomp/filter.js";
import { builtInProfiles, loadProfile } from "../../src/seccomp/load-profile.js";
import { parseProfile } from "../../src/seccomp/parse-profile.js";
import { auditArch, syscallName, syscallNumber, syscalls } from "../../src/seccomp/syscall-table.js";

const arches = ["x64", "arm64"] as const;

for (const name of builtInProfiles) {
  test(`${name}: each rule says in a sentence what it is for`, (t) => {
    for (const rule of loadProfile(name, { arch: "x64" }).rules) {
      t.regex(rule.comment ?? "", /^[A-Z].{10,}\.$/, rule.names.join(" "));
    }
  });

  test(`${name}: names no call twice without conditions`, (t) => {
    const unconditional = loadProfile(name, { arch: "x64" }).rules.filter((rule) => rule.args.length === 0);
    const names = unconditional.flatMap((rule) => rule.names);
    t.deepEqual(
      names.filter((call, index) => names.indexOf(call) !== index),
      [],
    );
  });
}

for (const arch of arches) {
  test(`${arch}: strict allows nothing that default does not`, (t) => {
    const [def, strict] = builtInProfiles.map((name) =>
      evaluator(
        compileFilter({ arch, profile: loadProfile(name, { arch }), baseDenials, notify: [] }).program,
      ),
    );
    for (const nr of syscalls(arch).values()) {
      for (const args of [
        [],
        [1n, 1n],
        [2n, 2n, 17n],
        [0n, 0x5401n],
        [15n],
        [38n],
        [0x1200011n],
        [0xffff_ffffn],
      ]) {
        const data = { nr, arch: auditArch[arch], args };
        if (strict?.(data).action !== action.allow) continue;
        t.is(def?.(data).action, action.allow, `${syscallName(arch, nr) ?? ""}(${args.join(", ")})`);
      }
    }
  });

  test(`${arch}: what libc and interpreters cannot do without is allowed`, (t) => {
    const vital =
      "read write openat close fstat mmap mprotect munmap brk rt_sigaction rt_sigprocmask ioctl execve exit_group wait4 clone futex " +
      "set_robust_list rseq prlimit64 getrandom clock_gettime statx newfstatat getdents64 socket connect pipe2 dup3 epoll_pwait eventfd2";
    for (const name of builtInProfiles) {
      const filter = compileFilter({ arch, profile: loadProfile(name, { arch }), baseDenials, notify: [] });
      const run = evaluator(filter.program);
      for (const call of vital.split(" ")) {
        const nr = syscallNumber(arch, call) ?? -1;
        const args = call === "ioctl" ? [1n, 0x5401n] : call === "socket" ? [2n, 1n, 0n] : [];
        t.is(run({ nr, arch: auditArch[arch], args }).action, action.allow, `${call} in ${name}`);
      }
    }
  });
}

test("Docker's and Podman's published defaults compile, and what they allow passes", (t) => {
  for (const name of ["docker-default", "podman-default"]) {
    for (const arch of arches) {
      const file = `test/fixtures/seccomp/${name}.json`;
      const profile = parseProfile({ file, text: readFileSync(file, "utf8") }, { arch });
      const run = evaluator(compileFilter({ arch, profile, baseDenials, notify: [] }).program);
      const ask = (call: string, ...args: bigint[]): number =>
        run({ nr: syscallNumber(arch, call) ?? -1, arch: auditArch[arch], args }).action;
      t.is(ask("read"), action.allow);
      t.is(ask("socket", 2n, 1n, 0n), action.allow);
      t.is(ask("clone", 0x120_0011n), action.allow);
      t.is(ask("clone", 0x1000_0011n), action.errno(1));
      t.is(ask("clone3"), action.errno(38));
      t.is(ask("mount"), action.errno(1));
      t.is(ask("ptrace"), action.errno(1));
    }
  }
});

test("a profile that cannot be read is an error of the policy", (t) => {
  t.throws(() => loadProfile("/nowhere/profile.json", { arch: "x64" }), {
    code: "ERR_POLICY",
    message: "/nowhere/profile.json: the seccomp profile cannot be read",
  });
});
