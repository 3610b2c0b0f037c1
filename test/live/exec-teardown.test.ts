import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { defaultPolicy } from "../../src/policy/default.js";
import type { RootOperation } from "../../src/plan/launch-plan.js";
import type { Policy } from "../../src/policy/policy.js";
import { run } from "../../src/sandbox/run.js";
import { callerEnvironment, start } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { launchEdited } from "../helpers/launch.js";
import { requires } from "../helpers/requires.js";
import { scratch, type Scratch } from "../helpers/scratch.js";

/** Whatever happens to skillbox, nothing of a run stays behind. */
const liveTest = requires(test, "userns");

const nothing = openSync("/dev/null", "r+");
const output = { fd: nothing, sink: () => process.stdout };
const stdio = { stdin: { fd: nothing }, stdout: output, stderr: output };

async function runInProcess(
  box: Scratch,
  argv: readonly string[],
  policy: Policy = defaultPolicy(),
  signal?: AbortSignal,
) {
  return run({
    policy,
    argv,
    cwd: box.work,
    environment: callerEnvironment(box),
    stdio,
    signal,
  });
}

liveTest.serial(
  "SIGKILL of skillbox at any moment of 100 runs: within a second nothing of them is left",
  async (t) => {
    const box = scratch(t);
    const before = snapshotHost();
    const script = "trap '' TERM HUP INT; setsid sleep 600 & head -c 1M /dev/zero >/tmp/f; sleep 601";
    const options = ["--read", box.home, "--write", box.directory("out")];
    // How long node takes to come to the launch, so that the moments lie around it and not before.
    const first = start(box, ["sh", "-c", "echo ready; sleep 600"], { options });
    const startedMs = performance.now();
    await first.line(/ready/);
    const readyMs = performance.now() - startedMs;
    first.child.kill("SIGKILL");
    await first.ended;
    for (let round = 0; round < 25; round++) {
      // Four at a time, from 40 ms before the usual start of the program to 40 ms after it, and some at once.
      await Promise.all(
        [0, 1, 2, 3].map(async (index) => {
          const { child, ended } = start(box, ["sh", "-c", script], { options });
          const offset = ((round * 4 + index) % 80) - 40;
          await sleep(index === 3 && round % 5 === 0 ? round : Math.max(0, readyMs + offset));
          child.kill("SIGKILL");
          return ended;
        }),
      );
    }
    await t.notThrowsAsync(assertUnchanged(before));
  },
);

liveTest.serial(
  "SIGKILL of PID 1 from outside is an error of the sandbox, and nothing is left",
  async (t) => {
    const before = snapshotHost();
    const { line, ended } = start(scratch(t), ["sh", "-c", "echo ready; sleep 600"]);
    await line(/ready/);
    for (const process_ of snapshotHost().processes) {
      if (!before.processes.has(process_) && process_.includes("skillbox-init")) {
        process.kill(Number(process_.split(" ")[0]), "SIGKILL");
      }
    }
    const { status, stderr, report } = await ended;
    t.is(status, 125);
    t.regex(
      stderr,
      /^skillbox: error: PID 1 of the sandbox ended without a report\n {2}hint: it was killed from outside/,
    );
    t.like(report, { error: { code: "ERR_LAUNCH", stage: "supervision" } });
    await t.notThrowsAsync(assertUnchanged(before));
  },
);

liveTest.serial("an AbortSignal ends a run at once, whenever it comes", async (t) => {
  const box = scratch(t);
  const before = snapshotHost();
  for (const delayMs of [0, 1, 2, 4, 8, 16, 100]) {
    const controller = new AbortController();
    const ended = runInProcess(
      box,
      ["sh", "-c", "trap '' TERM; sleep 600 & wait"],
      defaultPolicy(),
      controller.signal,
    );
    const timer = setTimeout(() => controller.abort(), delayMs);
    const startedMs = performance.now();
    t.like(await ended, { outcome: "killed", signal: "SIGKILL" });
    clearTimeout(timer);
    t.true(performance.now() - startedMs < 3000);
  }
  t.like(await runInProcess(box, ["sleep", "600"], defaultPolicy(), AbortSignal.abort()), {
    outcome: "killed",
  });
  await t.notThrowsAsync(assertUnchanged(before));
});

liveTest.serial(
  "a run that is aborted while PID 1 is too slow to hear of it is killed all the same",
  async (t) => {
    const box = scratch(t);
    const before = snapshotHost();
    for (let round = 0; round < 3; round++) {
      const controller = new AbortController();
      const ended = run({
        policy: defaultPolicy(),
        argv: ["sleep", "600"],
        cwd: box.work,
        environment: callerEnvironment(box),
        stdio,
        signal: controller.signal,
        onStart: () => {
          // Stopped in the middle of its set-up, as on a machine that has other things to do.
          const pid = waitForInit();
          process.kill(pid, "SIGSTOP");
          controller.abort();
          setTimeout(() => process.kill(pid, "SIGCONT"), 1300);
        },
      });
      t.like(await ended, { outcome: "killed", signal: "SIGKILL" });
    }
    await t.notThrowsAsync(assertUnchanged(before));
  },
);

/** The pid of PID 1, a child of this process's launch thread, as soon as there is one. */
function waitForInit(): number {
  for (const deadline = performance.now() + 5000; performance.now() < deadline;) {
    for (const task of readdirSync("/proc/self/task")) {
      for (const pid of readText(`/proc/self/task/${task}/children`).trim().split(" ")) {
        if (/^NSpid:\t\d+\t1$/m.test(readText(`/proc/${pid}/status`))) return Number(pid);
      }
    }
  }
  throw new Error("no PID 1 within five seconds");
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return ""; // a task or a process that has just ended
  }
}

liveTest.serial(
  "200 runs in one process leave no descriptor, process, mount or file, and no growth",
  async (t) => {
    const box = scratch(t);
    // What is loaded once stays.
    for (let warm = 0; warm < 20; warm++) await runInProcess(box, ["true"]);
    const before = snapshotHost();
    const descriptors = ownDescriptors();
    const rssBefore = residentMiB();
    for (let batch = 0; batch < 50; batch++) {
      const ended = await Promise.all(
        [["true"], ["sh", "-c", "sleep 60 & exit 3"], ["true"]].map(async (argv) => runInProcess(box, argv)),
      );
      t.deepEqual(
        ended.map(({ exitCode }) => exitCode),
        [0, 3, 0],
      );
      await t.throwsAsync(runInProcess(box, [box.home]), {
        message: /not an executable file|cannot be executed/,
      });
    }
    await t.notThrowsAsync(assertUnchanged(before));
    t.deepEqual(ownDescriptors(), descriptors);
    const growth = residentMiB() - rssBefore;
    t.true(growth < 60, `${growth} MiB`);
  },
);

requires(test, "userns", "root").serial(
  "what the launcher could not do is told as it was, and once",
  async (t) => {
    const box = scratch(t);
    const unhandled: unknown[] = [];
    const listener = (error: unknown) => unhandled.push(error);
    process.on("unhandledRejection", listener);
    const policy = defaultPolicy();
    // sysfs has no idmapped mounts: the outer half finds out while PID 1 waits for it.
    const read = [{ path: "/sys", written: "/sys" }];
    for (let round = 0; round < 20; round++) {
      const refused = runInProcess(box, ["true"], { ...policy, filesystem: { ...policy.filesystem, read } });
      const error = await t.throwsAsync(refused, { message: /sources: idmap \/sys: EINVAL$/ });
      t.like(error, { code: "ERR_LAUNCH", stage: "sources", operation: "idmap", errno: "EINVAL" });
    }
    await sleep(50);
    process.off("unhandledRejection", listener);
    t.deepEqual(unhandled, []);
  },
);

liveTest.serial("a set-up that fails leaves nothing, at whatever stage", async (t) => {
  const box = scratch(t);
  const before = snapshotHost();
  const descriptors = ownDescriptors();
  const policy = defaultPolicy();
  const grant = (path: string) => ({ path, written: path });
  const broken: Policy[] = [
    { ...policy, filesystem: { ...policy.filesystem, read: [grant(box.at("nowhere"))] } },
    { ...policy, syscalls: { profile: box.at("no-profile.json") } },
    // PID 1 cannot start the program in a directory that is denied.
    { ...policy, filesystem: { ...policy.filesystem, deny: [grant(box.work)] } },
  ];
  for (const each of broken) {
    await t.throwsAsync(runInProcess(box, ["true"], each), { name: "SkillboxError" });
  }
  // PID 1 fails while the request to start the program is on its way to it: several at once, so that some meet.
  const impossible: RootOperation = { type: "directory", target: `${box.directory("out")}/new`, mode: 0o755 };
  for (let round = 0; round < 5; round++) {
    const failures = [1, 2, 3, 4].map(async () =>
      launchEdited(box, ["true"], {
        write: [box.at("out")],
        edit: (plan) => ({ ...plan, operations: [...plan.operations, impossible] }),
      }),
    );
    for (const { status } of await Promise.allSettled(failures)) t.is(status, "rejected");
  }
  t.is((await runInProcess(box, ["true"])).exitCode, 0);
  await t.notThrowsAsync(assertUnchanged(before));
  t.deepEqual(ownDescriptors(), descriptors);
});

/** What this process holds open, without numbers that change by themselves. */
function ownDescriptors(): number {
  const listing = openSync("/proc/self/fd", "r");
  closeSync(listing);
  return readdirSync("/proc/self/fd").length;
}

function residentMiB(): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;
}
