import { existsSync, readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { auditEventSchema } from "../../src/audit/event.js";
import { exec, start } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { readRecord } from "../helpers/record.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch } from "../helpers/scratch.js";

/** Tasks, programs and the supervisor itself die while calls are pending: nothing hangs, and what is on record is whole. */
const gccTest = requires(test, "userns", "program:gcc");

const policy =
  "version: 1\nfilesystem:\n  write: [./work]\nresources: { pids: 256, wallTime: 60s }\naudit: { level: all }\n";

gccTest.serial("200 victims are killed while they open, exec, and start and end threads", async (t) => {
  const box = scratch(t);
  compileProbe("audit-deaths", box.work, "-pthread");
  const { status, stdout, stderr } = await exec(box, ["./audit-deaths", "200"], {
    policy,
    options: ["--audit", box.at("record")],
  });
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "200\n", stderr: "" });
  const events = readRecord(t, box.at("record"));
  t.is(events.at(-1)?.type, "run.end");
  const ended = events.filter(({ type }) => type === "process.exit").length;
  t.true(ended >= 150, `${ended} of 200 made a call before they died`);
});

gccTest.serial("a run that is stopped in mid-call ends its record", async (t) => {
  const box = scratch(t);
  compileProbe("audit-calls", box.work, "-pthread");
  const { status, report } = await exec(box, ["./audit-calls", "write", "16", "100000000"], {
    policy: policy.replace("60s", "400ms"),
    options: ["--audit", box.at("record")],
  });
  t.is(status, 124);
  t.like(report, { outcome: "timed-out" });
  const last = readRecord(t, box.at("record")).at(-1);
  t.is(last?.type, "run.end");
  if (last?.type === "run.end") t.is(last.result.outcome, "timed-out");
});

gccTest.serial("skillbox is killed at random moments: nothing lives on, and no line is broken", async (t) => {
  const box = scratch(t);
  compileProbe("audit-calls", box.work, "-pthread");
  const before = snapshotHost();
  for (let round = 0; round < 8; round++) {
    const record = box.at(`record-${round}`);
    const running = start(box, ["./audit-calls", "write", "8", "100000000"], {
      policy,
      options: ["--audit", record],
    });
    const deadline = performance.now() + 10_000;
    while ((!existsSync(record) || statSync(record).size < 100_000) && performance.now() < deadline)
      await sleep(5);
    await sleep(Math.random() * 60);
    running.child.kill("SIGKILL");
    t.is((await running.ended).signal, "SIGKILL");
    await assertUnchanged(before, { withinMs: 5000 });
    const lines = readFileSync(record, "utf8").split("\n");
    // write(2) of a batch may have been cut short by the kill: the last line has no end then.
    lines.pop();
    t.true(lines.length > 100);
    for (const [index, line] of lines.entries())
      t.is(auditEventSchema.parse(JSON.parse(line)).seq, index + 1);
  }
});
