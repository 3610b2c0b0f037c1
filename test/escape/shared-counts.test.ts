import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import test from "ava";
import { start } from "../helpers/exec.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/**
 * What the kernel counts for a user is counted for the owner of each user namespace above as well (kernel/ucount.c): a program that
 * takes all of it takes it from the caller's other programs, which for root are the host's.
 */
const countTest = requires(test, "userns", "program:python3");

const prelude = `
import ctypes, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
most = int(sys.argv[1])
`;

interface Count {
  readonly script: string;
  /** What a sandbox has, and what must be there for others meanwhile. */
  readonly share: number;
}

function instances(): number {
  return Number(readFileSync("/proc/sys/fs/inotify/max_user_instances", "utf8"));
}

const counts: Readonly<Record<string, Count>> = {
  "inotify instances": {
    script: `${prelude}
taken = 0
while taken < most and libc.inotify_init1(0) >= 0: taken += 1
print("taken", taken, flush=True)
`,
    share: Math.floor(instances() / 4),
  },
  "queued signals": {
    script: `${prelude}
taken = 0
while taken < most and libc.sigqueue(os.getpid(), 40, None) == 0: taken += 1
print("taken", taken, flush=True)
`,
    share: 4096,
  },
};

function takenIn(line: string): number {
  return Number(/taken (\d+)/.exec(line)?.[1]);
}

for (const [name, { script, share }] of Object.entries(counts)) {
  countTest.serial(`${name}: a program that takes all it can leaves the caller most of them`, async (t) => {
    const box = scratch(t);
    const greedy = start(box, ["python3", "-c", `${script}time.sleep(60)`, "1000000"]);
    t.is(takenIn(await greedy.line(/taken/)), share);
    // Twice the share is there for the caller: neither the program's limit nor what it took is the caller's.
    const { stdout } = spawnSync("python3", ["-c", script, String(share * 2)], { encoding: "utf8" });
    t.is(takenIn(stdout), share * 2);
    greedy.child.kill("SIGTERM");
    await greedy.ended;
  });
}
