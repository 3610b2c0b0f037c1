import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import test from "ava";
import { exec } from "../helpers/exec.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/**
 * The kernel's own tests of seccomp, inside: filters of a program's own work as they do outside, but for what is listed here.
 * Built by test/fixtures/seccomp/build-selftests.sh, and run where SKILLBOX_TEST_SECCOMP_SELFTESTS names the program.
 */
const selftests = process.env["SKILLBOX_TEST_SECCOMP_SELFTESTS"];

/** Seen with those of Linux 6.12 on 6.18, as root and as an ordinary user: 50 of 81 pass inside, 81 outside. */
const differences: Readonly<Record<string, string>> = {
  "NEW_LISTENER is refused: a second listener would see what ours is to see": `
    global.seccomp_syscall global.detect_seccomp_filter_flags
    global.user_notification_basic global.user_notification_with_tsync global.user_notification_kill_in_middle
    global.user_notification_signal global.user_notification_closed_listener global.user_notification_sibling_pid_ns
    global.user_notification_continue global.user_notification_addfd global.user_notification_addfd_rlimit
    global.user_notification_addfd_send_interrupted global.user_notification_sync global.user_notification_fifo
    global.user_notification_wait_killable_pre_notification global.user_notification_wait_killable
    global.user_notification_wait_killable_fatal
  `,
  "user namespaces are refused": "global.user_notification_child_pid_ns global.user_notification_fault_recv",
  "clone3 is answered with ENOSYS, so that flags can be judged; these do not fall back to clone": `
    global.user_notification_filter_empty global.user_ioctl_notification_filter_empty
    global.user_notification_filter_empty_threaded
  `,
  "ptrace is refused": "global.syscall_restart O_SUSPEND_SECCOMP.setoptions",
  "kcmp is refused": "global.kcmp",
  "a task under a filter cannot go over to strict mode (seccomp(2)), and ours is there before it":
    "global.mode_strict_support global.mode_strict_cannot_call_prctl",
  "PR_GET_SECCOMP tells of our filter": "global.mode_filter_get_seccomp",
  "no_new_privs is set before the program starts":
    "global.mode_filter_without_nnp TSYNC.two_sibling_want_nnp",
  "number -1 has the bit of x32, and x32 is killed": "global.negative_ENOSYS",
};

/** Their tracer asks for PTRACE_ATTACH until it is not refused: each takes its whole 30 s. */
const needPtrace = ["TRACE_poke", "TRACE_syscall"];

const expected = Object.values(differences).flatMap((names) => names.trim().split(/\s+/));

test("each difference has one reason", (t) => {
  t.is(new Set(expected).size, expected.length);
});

if (selftests !== undefined) {
  requires(test, "userns").serial(
    "the kernel's seccomp tests fail inside only where we refuse",
    async (t) => {
      t.timeout(300_000);
      const box = scratch(t);
      copyFileSync(selftests, box.at("work/seccomp_bpf"));
      const argv = ["./seccomp_bpf", ...needPtrace.flatMap((fixture) => ["-F", fixture])];
      const outside = passed(
        spawnSync(argv[0] ?? "", argv.slice(1), { cwd: box.work, encoding: "utf8" }).stdout,
      );
      const { stdout } = await exec(box, argv, {
        policy: "version: 1\nresources: { wallTime: 5m }\naudit: { level: denied }\n",
      });
      const inside = passed(stdout);
      t.true(inside.size >= 81);
      t.deepEqual([...inside.keys()].sort(), [...outside.keys()].sort());
      // One that fails outside as well says nothing.
      const failed = [...inside]
        .filter(([name, ok]) => !ok && outside.get(name) === true)
        .map(([name]) => name);
      t.deepEqual(failed.sort(), expected.filter((name) => outside.get(name) === true).sort());
    },
  );
}

/** Test Anything Protocol: `ok 12 global.name` or `not ok 12 global.name`, perhaps with `# SKIP …`. */
function passed(stdout: string): Map<string, boolean> {
  const lines = stdout.matchAll(/^(not )?ok \d+ ([\w.]+)/gm);
  return new Map(Array.from(lines, ([, not, name = ""]) => [name, not === undefined]));
}
