import test from "ava";
import { hostArchitecture } from "../../src/sandbox/filter-input.js";
import { syscallNumber } from "../../src/seccomp/syscall-table.js";
import { exec } from "../helpers/exec.js";
import { callsOf, readRecord } from "../helpers/record.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/** With their first arguments; what has none fails for whatever it is given. */
const refused: readonly (readonly [name: string, ...registers: readonly number[]])[] = [
  ..."ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp setns mount umount2 pivot_root chroot move_mount open_tree".split(
    " ",
  ),
  ..."fsopen fsmount mount_setattr bpf perf_event_open userfaultfd io_uring_setup io_uring_enter keyctl add_key request_key".split(
    " ",
  ),
  ..."kexec_load init_module finit_module delete_module fanotify_init fanotify_mark quotactl swapon swapoff reboot".split(
    " ",
  ),
  ..."settimeofday clock_settime adjtimex acct syslog vhangup open_by_handle_at".split(" "),
].map((name) => [name] as const);
const byArgument: typeof refused = [
  ["unshare", 0x1000_0000],
  ["clone", 0x1000_0011],
  ["seccomp", 1, 8],
  ["personality", 0x40_0000],
  ["prlimit64", 1, 7],
  ["ioctl", 0, 0x5412],
  ["fcntl", 0, 1024],
  ["socket", 16, 3, 12],
  ["socket", 17, 3, 0],
  ["socket", 40, 1, 0],
];
/** Let through, and on record all the same. */
const permitted: typeof refused = [
  ["prctl", 4, 0],
  ["setresuid", 0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
  ["capset", 0, 0],
  ["landlock_restrict_self", 0, 0],
  ["socket", 2, 1, 0],
  ["fchmod", 0, 0],
];

requires(
  test,
  "userns",
  "program:python3",
)("level security: every way out that a program tries by a system call is on record", async (t) => {
  const box = scratch(t);
  const arch = hostArchitecture();
  const calls = [...refused, ...byArgument, ...permitted].flatMap(([name, ...registers]) => {
    const number = syscallNumber(arch, name);
    return number === undefined ? [] : [{ name, registers, number }];
  });
  const lines = calls.map(({ number, registers }) => {
    const six = [...registers, 0, 0, 0, 0, 0, 0].slice(0, 6);
    return `libc.syscall(${[number, ...six].map((value) => `ctypes.c_long(${value})`).join(", ")})`;
  });
  const script = ["import ctypes", "libc = ctypes.CDLL(None)", ...lines].join("\n");
  const { status, stderr } = await exec(box, ["python3", "-c", script], {
    options: ["--audit", box.at("record")],
  });
  t.is(status, 0, stderr);
  const recorded = callsOf(readRecord(t, box.at("record"))).map(({ syscall, verdict }) => ({
    syscall,
    verdict,
  }));
  const denied = calls.slice(0, calls.length - permitted.length);
  for (const name of new Set(denied.map((call) => call.name))) {
    const wanted = denied.filter((call) => call.name === name).length;
    const found = recorded.filter(({ syscall, verdict }) => syscall === name && verdict === "deny").length;
    t.is(found, wanted, name);
  }
  for (const [name] of permitted)
    t.true(
      recorded.some(({ syscall, verdict }) => syscall === name && verdict !== "deny"),
      name,
    );
});
