import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { SkillboxError } from "../../src/errors.js";
import { clearStaleCgroups, createCgroup, probeCgroups, type Cgroup } from "../../src/sandbox/cgroup.js";
import { has, requires } from "../helpers/requires.js";

const MiB = 1024 * 1024;

/** cgroup v1 where this machine has its controllers there, otherwise v2: the contract is one. */
const liveTest = requires(test, has("cgroup-v1") ? "cgroup-v1" : "cgroup-v2");

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
}

/** Runs a program that enters the cgroup first, the way the launcher does: "0" means the writer. */
function runIn(cgroup: Cgroup, argv: readonly string[]) {
  const enter = cgroup.procsFiles.map((_, index) => `echo 0 >"$${index + 1}"`).join(" && ");
  const script = `${enter} && shift ${cgroup.procsFiles.length} && exec "$@"`;
  const child = spawn("sh", ["-c", script, "sh", ...cgroup.procsFiles, ...argv], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout }));
  });
  return { child, ended };
}

function directoriesOf(cgroup: Cgroup): readonly string[] {
  return cgroup.procsFiles.map((file) => dirname(file));
}

liveTest.serial("a program beyond its memory is killed, and the counters say so", async (t) => {
  const cgroup = await createCgroup({ runId: "memory", memoryBytes: 64 * MiB });
  try {
    const hog = "b = []\nwhile True: b.append(bytearray(1 << 20))";
    const { signal } = await runIn(cgroup, ["python3", "-c", hog]).ended;
    t.is(signal, "SIGKILL");
    const { oomKills, memoryPeakBytes } = cgroup.stats();
    t.true(oomKills >= 1);
    // memory.peak came with Linux 5.19; where there is a peak it is the limit, give or take per-CPU batches.
    if (memoryPeakBytes !== undefined) t.true(memoryPeakBytes > 60 * MiB && memoryPeakBytes <= 64 * MiB);
    t.regex(cgroup.enforcedBy("memory") ?? "", /^cgroup[12] memory\./);
    t.is(cgroup.enforcedBy("pids"), undefined);
  } finally {
    t.true(await cgroup.remove());
  }
  t.true(cgroup.stats().oomKills >= 1, "the figures outlive the directory");
});

liveTest.serial("cgroup2: with one process over the limit the whole run dies", async (t) => {
  const cgroup = await createCgroup({ runId: "group", memoryBytes: 64 * MiB });
  try {
    if (cgroup.directory === undefined) {
      t.pass("v1 has no memory.oom.group: the supervisor watches oomKills and kills the run");
      return;
    }
    const bystander =
      "import os,time\nif os.fork():\n b=[]\n while True: b.append(bytearray(1<<20))\ntime.sleep(600)";
    const { ended } = runIn(cgroup, ["python3", "-c", bystander]);
    t.is((await ended).signal, "SIGKILL");
    await until(() => readFileSync(cgroup.procsFiles[0] ?? "", "utf8") === "");
    t.true(cgroup.stats().oomKills >= 2);
  } finally {
    t.true(await cgroup.remove());
  }
});

liveTest.serial("a quarter of a core takes four times as long", async (t) => {
  const cgroup = await createCgroup({ runId: "cpus", cpus: 0.25 });
  try {
    const busy = "import time\nwhile time.process_time() < 0.6: pass\nprint(time.monotonic())";
    const start = performance.now();
    t.is((await runIn(cgroup, ["python3", "-c", busy]).ended).code, 0);
    const elapsedMs = performance.now() - start;
    t.true(elapsedMs > 0.6 * 1000 * 3, `${elapsedMs} ms`);
    const { cpuUserMs } = cgroup.stats();
    if (cpuUserMs !== undefined) t.true(cpuUserMs > 400);
    t.regex(cgroup.enforcedBy("cpus") ?? "", /^cgroup[12] cpu\./);
  } finally {
    t.true(await cgroup.remove());
  }
});

liveTest.serial("the ninth process is refused", async (t) => {
  const cgroup = await createCgroup({ runId: "pids", pids: 8 });
  try {
    const bomb = [
      "import os, time",
      "n = 1",
      "try:",
      "  while n < 100:",
      "    if os.fork() == 0:",
      "      os.close(1)",
      "      time.sleep(600)",
      "    n += 1",
      "except BlockingIOError: print(n)",
    ].join("\n");
    const { stdout } = await runIn(cgroup, ["python3", "-c", bomb]).ended.finally(() => cgroup.kill());
    t.is(stdout.trim(), "8");
    t.true(cgroup.stats().pidsRefused >= 1);
  } finally {
    t.true(await cgroup.remove());
  }
});

liveTest.serial("kill reaches every process, a forking one too; twice does no harm", async (t) => {
  const cgroup = await createCgroup({ runId: "kill", pids: 64 });
  const forks =
    "import os,time\nos.setsid()\nwhile True:\n  try: os.fork()\n  except OSError: time.sleep(0.01)";
  const { ended } = runIn(cgroup, ["python3", "-c", forks]);
  await until(() => cgroup.stats().pidsRefused > 0);
  cgroup.kill();
  cgroup.kill();
  t.is((await ended).signal, "SIGKILL");
  t.true(await cgroup.remove());
  t.true(await cgroup.remove());
  cgroup.kill();
  t.true(directoriesOf(cgroup).every((directory) => !existsSync(directory)));
});

liveTest.serial("what a dead runner left is killed and removed, what lives is not", async (t) => {
  const cgroup = await createCgroup({ runId: "alive", pids: 8 });
  const [alive = ""] = directoriesOf(cgroup);
  const base = dirname(alive);
  // The same name with another start time is what a runner leaves whose pid has been given out again.
  const leftover = join(base, basename(alive).replace(/^(skillbox-\d+-)(\d+)/, "$11"));
  try {
    mkdirSync(leftover);
    const procs = join(leftover, "cgroup.procs");
    const sleeper = spawn("sh", ["-c", 'echo 0 >"$1" && exec sleep 600', "sh", procs], { stdio: "ignore" });
    const died = new Promise((resolve) => sleeper.on("close", (_, signal) => resolve(signal)));
    await until(() => readFileSync(procs, "utf8").includes(String(sleeper.pid)));
    for (let pass = 0; pass < 20 && existsSync(leftover); pass++) await clearStaleCgroups([base]);
    t.is(await died, "SIGKILL");
    t.false(existsSync(leftover));
    t.true(directoriesOf(cgroup).every((directory) => existsSync(directory)));
  } finally {
    t.true(await cgroup.remove());
  }
});

liveTest.serial("fifty cgroups leave nothing behind", async (t) => {
  const request = { memoryBytes: 64 * MiB, cpus: 1, pids: 8 };
  const bases = new Set<string>();
  for (let run = 0; run < 50; run++) {
    const cgroup = await createCgroup({ runId: `many-${run}`, ...request });
    directoriesOf(cgroup).forEach((directory) => bases.add(dirname(directory)));
    t.true(await cgroup.remove());
  }
  for (const base of bases) {
    t.deepEqual(
      // The shared directory of a systemd host's root goes with its last cgroup.
      (existsSync(base) ? readdirSync(base) : []).filter((name) =>
        name.startsWith(`skillbox-${process.pid}-`),
      ),
      [],
    );
  }
});

liveTest.serial("ten at once, each with its own limit", async (t) => {
  const cgroups = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      createCgroup({ runId: `p${index}`, memoryBytes: 32 * MiB, pids: 4 }),
    ),
  );
  t.is(
    new Set(cgroups.flatMap((cgroup) => cgroup.procsFiles)).size,
    cgroups.flatMap((c) => c.procsFiles).length,
  );
  t.true((await Promise.all(cgroups.map((cgroup) => cgroup.remove()))).every((gone) => gone));
});

test("a limit that cannot be enforced here is an error that names it and the cure", async (t) => {
  if (Object.values(probeCgroups()).every(({ available }) => available)) {
    t.pass("this host and caller have every controller");
    return;
  }
  const request = { memoryBytes: MiB, cpus: 1, pids: 8, ioMax: [{ device: "8:0", readBytesPerSecond: MiB }] };
  const error = await t.throwsAsync(createCgroup({ runId: "unsupported", ...request }), {
    instanceOf: SkillboxError,
    code: "ERR_LIMIT_UNSUPPORTED",
  });
  t.regex(error.message, /^(memory|cpus|pids|io) cannot be limited here: /);
  t.truthy(error.hint);
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}
