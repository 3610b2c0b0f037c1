import { closeSync, openSync, readFileSync } from "node:fs";
import test from "ava";
import { exec, type Ended, type ExecRequest } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { has, requires } from "../helpers/requires.js";
import { scratch, type Scratch } from "../helpers/scratch.js";

/**
 * Every limit against a program that will not keep it: it ends within a second of the limit, the result says why, and
 * nothing is left. Serial, since each compares the host before and after.
 */
const limitTest = requires(test, "userns", "program:python3");
const hasMemoryLimit = has("cgroup-v1") || has("cgroup-v2");

/** What starting node and the sandbox may take on a machine that is busy with other tests. */
const startingMs = 15_000;

async function limited(
  box: Scratch,
  resources: string,
  argv: readonly string[],
  request: ExecRequest = {},
): Promise<Ended> {
  const before = snapshotHost();
  const ended = await exec(box, argv, {
    policy: `version: 1\nextends: python\nresources: { ${resources} }\n`,
    ...request,
  });
  await assertUnchanged(before);
  return ended;
}

function wallTimeMs(report: unknown): number {
  return typeof report === "object" && report !== null && "wallTimeMs" in report
    ? Number(report.wallTimeMs)
    : NaN;
}

const hog = "b = []\nfor i in range(1024): b.append(b'x' * (1 << 20))\nprint('survived')";

requires(test, "userns", "program:python3", has("cgroup-v1") ? "cgroup-v1" : "cgroup-v2").serial(
  "1 GiB under memory 64MiB: out of memory, 137, and skillbox lives to tell",
  async (t) => {
    const ended = await limited(scratch(t), "memory: 64MiB", ["python3", "-c", hog]);
    t.deepEqual([ended.status, ended.stdout], [137, ""], ended.stderr);
    t.is(ended.stderr, "skillbox: the program ran out of memory: limit memory 64MiB reached\n");
    t.like(ended.report, { outcome: "out-of-memory", limit: "memory" });
  },
);

requires(test, "userns", "program:python3", has("cgroup-v1") ? "cgroup-v1" : "cgroup-v2").serial(
  "a child that takes all memory ends the whole run, and so does a full /tmp under a memory limit",
  async (t) => {
    const child = `import os, time\nif os.fork() == 0:\n  exec(${JSON.stringify(hog)})\nos.wait(); time.sleep(60); print('survived')`;
    const forked = await limited(scratch(t), "memory: 64MiB", ["python3", "-c", child]);
    t.deepEqual([forked.status, forked.stdout], [137, ""]);
    t.like(forked.report, { outcome: "out-of-memory" });
    t.true(wallTimeMs(forked.report) < 10_000);
    const fill = ["sh", "-c", "head -c 200M /dev/zero >/tmp/full; echo survived"];
    const filled = await limited(scratch(t), "memory: 64MiB", fill);
    t.is(filled.status, 137, filled.stderr);
    t.like(filled.report, { outcome: "out-of-memory" });
  },
);

const withoutCgroup = hasMemoryLimit ? [] : [limitTest];
for (const bareTest of withoutCgroup) {
  bareTest.serial(
    "memory that nobody can enforce here is refused with the cure, or best effort goes on",
    async (t) => {
      const box = scratch(t);
      const refused = await limited(box, "memory: 64MiB", ["echo", "ran"]);
      t.deepEqual([refused.status, refused.stdout], [125, ""]);
      t.regex(
        refused.stderr,
        /policy-\d+\.yaml:3:\d+: resources\.memory: 64MiB cannot be enforced here: .*\n {2}hint: .*bestEffort: \[memory\]/,
      );
      t.like(refused.report, { error: { code: "ERR_LIMIT_UNSUPPORTED" } });
      const tried = await limited(box, "memory: 64MiB, bestEffort: [memory]", ["python3", "-c", hog]);
      t.deepEqual([tried.status, tried.stdout], [1, ""]);
      t.regex(tried.stderr, /MemoryError/);
      t.like(tried.report, {
        outcome: "exited",
        limits: [
          {
            resource: "memory",
            requested: "64MiB",
            enforcedBy: "rlimit RLIMIT_DATA, per process (best effort)",
          },
        ],
      });
    },
  );
}

limitTest.serial("a fork bomb under pids 32 gets no further, and one that never ends is ended", async (t) => {
  const bomb = [
    "import os, sys, time",
    "n = 1",
    "try:",
    "  while n < 500:",
    "    if os.fork() == 0: time.sleep(600)",
    "    n += 1",
    "except BlockingIOError: print(n, flush=True)",
  ].join("\n");
  const counted = await limited(scratch(t), "pids: 32", ["python3", "-c", bomb]);
  t.deepEqual([counted.status, counted.stdout], [0, "32\n"], counted.stderr);
  const endless = await limited(scratch(t), "pids: 32, wallTime: 1s", [
    "bash",
    "-c",
    ":(){ :|:& };: 2>/dev/null; sleep 60",
  ]);
  t.is(endless.status, 124);
  t.like(endless.report, { outcome: "timed-out", limit: "wallTime" });
  t.true(wallTimeMs(endless.report) < 2000, `${wallTimeMs(endless.report)} ms`);
});

limitTest.serial("threads count as processes", async (t) => {
  const script = [
    "import threading, time",
    "n = 1",
    "try:",
    "  while n < 500:",
    "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); n += 1",
    "except RuntimeError: print(n, flush=True)",
    "import os; os._exit(0)",
  ].join("\n");
  const { status, stdout, stderr } = await limited(scratch(t), "pids: 32", ["python3", "-c", script]);
  t.deepEqual([status, stdout], [0, "32\n"], stderr);
});

limitTest.serial("sleep 1000 under wallTime 1s", async (t) => {
  const { status, stderr, report, elapsedMs } = await limited(scratch(t), "wallTime: 1s", ["sleep", "1000"]);
  t.is(status, 124);
  t.is(stderr, "skillbox: the program was ended: limit wallTime 1s reached\n");
  t.like(report, { outcome: "timed-out", limit: "wallTime" });
  t.true(wallTimeMs(report) >= 1000 && wallTimeMs(report) < 2000, `${wallTimeMs(report)} ms`);
  t.true(elapsedMs < startingMs);
  const flag = await exec(scratch(t), ["sh", "-c", "trap '' TERM; sleep 1000 & wait"], {
    options: ["--timeout", "300ms"],
  });
  t.is(flag.status, 124);
});

limitTest.serial("reading a standard input that never ends, under wallTime 1s", async (t) => {
  const box = scratch(t);
  const stdin = openSync("/dev/zero", "r");
  try {
    const { status, report } = await limited(box, "wallTime: 1s", ["sh", "-c", "cat >/dev/null"], { stdin });
    t.is(status, 124);
    t.true(wallTimeMs(report) < 2000);
  } finally {
    closeSync(stdin);
  }
});

limitTest.serial("busy loops under cpuTime 2s, alone and in children that come and go", async (t) => {
  const spin = "while true; do :; done";
  const alone = await limited(scratch(t), "cpuTime: 2s", ["sh", "-c", spin]);
  t.is(alone.status, 124);
  t.is(alone.stderr, "skillbox: the program was ended: limit cpuTime 2s reached\n");
  t.like(alone.report, { outcome: "timed-out", limit: "cpuTime" });
  const cpu = cpuMs(alone.report);
  t.true(cpu >= 1900 && cpu < 3000, `${cpu} ms`);
  const short = "while true; do sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done'; done";
  const children = await limited(scratch(t), "cpuTime: 2s", ["sh", "-c", short]);
  t.is(children.status, 124);
  const total = cpuMs(children.report);
  t.true(total >= 1900 && total < 3000, `${total} ms`);
});

function cpuMs(report: unknown): number {
  if (typeof report !== "object" || report === null || !("cpuTimeMs" in report)) return NaN;
  const { cpuTimeMs } = report;
  if (typeof cpuTimeMs !== "object" || cpuTimeMs === null) return NaN;
  return "user" in cpuTimeMs && "system" in cpuTimeMs
    ? Number(cpuTimeMs.user) + Number(cpuTimeMs.system)
    : NaN;
}

limitTest.serial(
  "10 GB under output 1MiB: cut at the byte, the program ended, both streams count",
  async (t) => {
    const started = performance.now();
    const { status, stdout, stderr, report } = await limited(scratch(t), "output: 1MiB", [
      "head",
      "-c",
      "10G",
      "/dev/zero",
    ]);
    t.is(stdout.length, 1024 ** 2);
    t.is(status, 137);
    t.is(stderr, "skillbox: the program was ended: limit output 1MiB reached\n");
    t.like(report, { outcome: "output-limit", limit: "output" });
    t.true(performance.now() - started < startingMs);
    const both = await limited(scratch(t), "output: 1MiB", [
      "sh",
      "-c",
      "head -c 600k /dev/zero; head -c 600k /dev/zero >&2; sleep 60",
    ]);
    t.is(both.stdout.length + both.stderr.replace(/skillbox: .*\n$/, "").length, 1024 ** 2);
    t.like(both.report, { outcome: "output-limit", limit: "output" });
    // Ignoring SIGPIPE, or ending well at once, makes no success of output that was cut.
    const quick = await limited(scratch(t), "output: 1KiB", [
      "python3",
      "-c",
      "import os; os.write(1, b'x' * 2000)",
    ]);
    t.deepEqual([quick.status, quick.stdout.length], [137, 1024]);
    const below = await limited(scratch(t), "output: 1MiB", ["head", "-c", "1M", "/dev/zero"]);
    t.deepEqual([below.status, below.stdout.length, below.stderr], [0, 1024 ** 2, ""]);
  },
);

limitTest.serial("a full /tmp, HOME or /dev/shm is full for the program and nobody else", async (t) => {
  const box = scratch(t);
  const script =
    "for d in /tmp ~ /dev/shm; do head -c 100M /dev/zero 2>/dev/null >$d/f || stat -c %s $d/f; rm $d/f; done; echo went on";
  const policy = "version: 1\nfilesystem: { tmp: 8MiB }\n";
  const { status, stdout, stderr } = await exec(box, ["sh", "-c", script], { policy });
  t.deepEqual([status, stdout], [0, `${8 * 1024 ** 2}\n`.repeat(3) + "went on\n"], stderr);
  const inodes = "i=0; while : >/tmp/$i; do i=$((i+1)); [ $i -lt 5000 ] || break; done 2>/dev/null; echo $i";
  const files = await exec(box, ["bash", "-c", inodes], { policy });
  t.true(Number(files.stdout) < 2048 && Number(files.stdout) > 1000, `${files.stdout} ${files.stderr}`);
});

limitTest.serial(
  "open files, file size and core files have their limits, and none can be raised",
  async (t) => {
    const box = scratch(t);
    const script = [
      "import os, resource, signal",
      "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
      "print(resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_FSIZE))",
      "try: resource.setrlimit(resource.RLIMIT_NOFILE, (65, 65))",
      "except (ValueError, PermissionError): print('kept')",
      "try: open('/tmp/f', 'wb').write(b'x' * 2000000)",
      "except OSError as e: print(e.strerror, os.stat('/tmp/f').st_size)",
      "fds = []",
      "try:",
      "  while True: fds.append(os.dup(0))",
      "except OSError as e: print(e.strerror)",
    ].join("\n");
    const { status, stdout, stderr } = await limited(box, "openFiles: 64, fileSize: 1MiB", [
      "python3",
      "-c",
      script,
    ]);
    t.deepEqual(
      [status, stdout],
      [0, "(64, 64) (1048576, 1048576)\nkept\nFile too large 1048576\nToo many open files\n"],
      stderr,
    );
  },
);

limitTest.serial("the first reason wins, and a program in time is not touched", async (t) => {
  const both = await limited(scratch(t), "wallTime: 1s, output: 1KiB", ["sh", "-c", "sleep 3; yes"]);
  t.like(both.report, { outcome: "timed-out", limit: "wallTime" });
  const inTime = await limited(scratch(t), "wallTime: 60s, cpuTime: 60s, output: 1MiB", [
    "sh",
    "-c",
    "echo fine; exit 4",
  ]);
  t.deepEqual([inTime.status, inTime.stdout, inTime.stderr], [4, "fine\n", ""]);
  t.like(inTime.report, { outcome: "exited", exitCode: 4 });
});

requires(test, "userns", "root", "cgroup-v1").serial(
  "cpus 0.25 slows a busy loop down fourfold",
  async (t) => {
    const script =
      "import time\nt = time.monotonic()\nwhile time.process_time() < 0.5: pass\nprint(time.monotonic() - t)";
    const { status, stdout, stderr } = await limited(scratch(t), "cpus: 0.25", ["python3", "-c", script]);
    t.is(status, 0, stderr);
    t.true(Number(stdout) > 1.2, stdout);
  },
);

test("the rlimits of this process are what they were", (t) => {
  t.notRegex(readFileSync("/proc/self/limits", "utf8"), /Max open files +64 /);
});
