import { spawnSync } from "node:child_process";
import path from "node:path";
import test from "ava";
import { z } from "zod";
import { loadNative } from "../../src/native/binding.js";
import type { LaunchPlan } from "../../src/plan/launch-plan.js";
import { cli } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { launchEdited } from "../helpers/launch.js";
import { requires } from "../helpers/requires.js";
import { scratch, type Scratch } from "../helpers/scratch.js";

const selftestReport = z.strictObject({
  version: z.literal(1),
  ok: z.boolean(),
  caller: z.strictObject({ uid: z.int() }),
  probes: z.array(
    z.strictObject({
      policy: z.enum(["default", "permissive"]),
      layer: z.string(),
      probe: z.string(),
      held: z.boolean(),
      seen: z.string(),
    }),
  ),
});

const liveTest = requires(test, "userns");
const probe = path.join(path.dirname(loadNative().initPath), "skillbox-selftest");

liveTest.serial("everything holds on this host, and nothing is left of trying", async (t) => {
  const before = snapshotHost();
  const { stdout, stderr, status } = spawnSync(process.execPath, [cli, "selftest", "--json"], {
    encoding: "utf8",
  });
  const report = selftestReport.parse(JSON.parse(stdout));
  t.deepEqual(
    report.probes.filter(({ held }) => !held),
    [],
    stderr,
  );
  t.is(status, 0);
  t.true(report.ok);
  t.true(report.probes.length > 100);
  const text = spawnSync(process.execPath, [cli, "selftest"], { encoding: "utf8" });
  t.regex(text.stdout, /^All \d+ probes held, under the default and the permissive policy\.$/m);
  await t.notThrowsAsync(assertUnchanged(before));
});

test("outside a sandbox the probes do nothing", (t) => {
  const { status, stdout, stderr } = spawnSync(probe, ["home=/root"], {
    encoding: "utf8",
    env: { SKILLBOX: "1" },
  });
  t.deepEqual([status, stdout], [2, ""]);
  t.regex(stderr, /not a sandbox: run `skillbox selftest`/);
});

/** The probes that get through when a plan is changed. */
async function opened(box: Scratch, edit: (plan: LaunchPlan) => LaunchPlan, asCaller = false) {
  const { stdout } = await launchEdited(box, [probe, `pid=${process.pid}`], {
    read: [path.dirname(probe)],
    edit,
    asCaller,
  });
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split("\t"));
  return lines.filter(([, , verdict]) => verdict === "open").map(([, name]) => name ?? "");
}

liveTest("each probe is one: what a layer held gets through when the layer is taken away", async (t) => {
  const box = scratch(t);
  t.deepEqual(await opened(box, (plan) => plan), []);
  const noFilter = await opened(box, (plan) => ({
    ...plan,
    seccomp: { program: new Uint8Array(), listener: false },
  }));
  for (const name of [
    "clone3",
    "keyctl",
    "answer for a filter of its own",
    "a call of i386",
    "a call of x32",
  ]) {
    t.true(noFilter.includes(name), `${name} held without a filter: ${noFilter.join(", ")}`);
  }
  const writable = await opened(box, (plan) => ({
    ...plan,
    operations: plan.operations.map((operation) =>
      operation.target === box.work && operation.type === "overlay-read"
        ? { ...operation, type: "bind", attributes: [] }
        : operation,
    ),
  }));
  t.deepEqual(writable, ["create a file in the working directory"]);
});
