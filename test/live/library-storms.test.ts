import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import test, { type ExecutionContext } from "ava";
import { sandbox } from "../../src/index.js";
import { callerEnvironment } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/** SKILLBOX_TEST_RUNS=10000 is the full measure: 10 000 runs, 1 000 kept sandboxes, 100 workers. */
const runs = Number(process.env["SKILLBOX_TEST_RUNS"] ?? 500);
const liveTest = requires(test, "userns");

const descriptors = (): number => readdirSync("/proc/self/fd").length;
const residentMiB = (): number =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024;

/** Runs something until nothing new is loaded any more, then many times: nothing may grow. */
async function assertFlat(
  t: ExecutionContext,
  times: number,
  act: (index: number) => Promise<void>,
): Promise<void> {
  for (let index = 0; index < Math.max(50, times / 10); index++) await act(index);
  const before = snapshotHost();
  const fds = descriptors();
  const startMiB = residentMiB();
  const startedMs = performance.now();
  for (let index = 0; index < times; index++) await act(index);
  const eachMs = (performance.now() - startedMs) / times;
  await t.notThrowsAsync(assertUnchanged(before));
  t.is(descriptors(), fds);
  const growthMiB = residentMiB() - startMiB;
  t.log(`${times} times, ${eachMs.toFixed(1)} ms each, ${growthMiB.toFixed(1)} MiB more`);
  t.true(growthMiB < 48, `${growthMiB} MiB`);
}

liveTest.serial(
  "one run after another: no descriptor, process, mount, cgroup, file or memory is left",
  async (t) => {
    t.timeout(600_000);
    const box = scratch(t);
    const base = { cwd: box.work, env: callerEnvironment(box) };
    await assertFlat(t, runs, async (index) => {
      const result = await sandbox({ ...base, argv: ["sh", "-c", `echo ${index}`], events: index % 4 === 0 });
      if (result.stdout !== `${index}\n`) t.fail(`${index}: ${result.stdout}`);
    });
  },
);

liveTest.serial("one kept sandbox after another, with programs in it", async (t) => {
  t.timeout(600_000);
  const box = scratch(t);
  await assertFlat(t, runs / 10, async (index) => {
    await using session = await sandbox.create({ cwd: box.work, env: callerEnvironment(box) });
    await session.writeFile("/tmp/file", `${index}`);
    const results = await Promise.all([1, 2, 3].map(async () => session.exec(["cat", "/tmp/file"])));
    if (results.some(({ stdout }) => stdout !== `${index}`)) t.fail(`${index}`);
  });
});

liveTest.serial("one program after another in a kept sandbox", async (t) => {
  t.timeout(600_000);
  const box = scratch(t);
  await using session = await sandbox.create({ cwd: box.work, env: callerEnvironment(box) });
  await assertFlat(t, runs, async (index) => {
    const { stdout } = await session.exec(["sh", "-c", `echo ${index}`]);
    if (stdout !== `${index}\n`) t.fail(`${index}: ${stdout}`);
  });
});

const library = new URL("../../src/index.js", import.meta.url).href;
const worker = `
  import { sandbox } from ${JSON.stringify(library)};
  import { parentPort, workerData } from "node:worker_threads";
  const { cwd, env } = workerData;
  const session = await sandbox.create({ cwd, env, events: true });
  const programs = [1, 2, 3].map(() => session.exec(["sleep", "600"]));
  sandbox({ cwd, env, argv: ["sh", "-c", "while :; do /bin/true; done"], events: true }).catch(() => undefined);
  for await (const event of session.events) if (event.type === "process.exec") parentPort.postMessage("runs");
  await Promise.all(programs);
`;

liveTest.serial("a worker that is terminated takes its sandboxes with it, and nothing else", async (t) => {
  t.timeout(600_000);
  const box = scratch(t);
  const base = { cwd: box.work, env: callerEnvironment(box) };
  await using session = await sandbox.create(base);
  const before = snapshotHost();
  const beside = session.exec(["sh", "-c", "echo ready; exec sleep 600"], { stdout: "pipe" });
  await once(beside.stdout ?? new PassThrough(), "data");
  await sleep(50); // and executed
  const withBeside = snapshotHost();
  for (let index = 0; index < Math.max(5, runs / 100); index++) {
    const started = new Worker(worker, { eval: true, workerData: base, execArgv: ["--input-type=module"] });
    started.on("error", (error) => t.fail(String(error)));
    // At a different moment of the runs each time, also before there are any.
    if (index % 3 !== 0) await new Promise((resolve) => started.once("message", resolve));
    await sleep(index % 7);
    await started.terminate();
  }
  t.is((await session.exec(["true"])).exitCode, 0);
  await t.notThrowsAsync(assertUnchanged(withBeside));
  beside.kill("SIGKILL");
  t.like(await beside, { outcome: "killed" });
  await t.notThrowsAsync(assertUnchanged(before));
});
