import { existsSync, readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { auditEventSchema } from "../../src/audit/event.js";
import { exec, start } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { callsOf, readRecord } from "../helpers/record.js";
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

/** Of processes that end at once and are reaped at once, by their parent or, as orphans, by PID 1. */
requires(
  test,
  "userns",
  "program:python3",
)("how each process ended is on record: status, signal, and that of an orphan", async (t) => {
  const box = scratch(t);
  const script = [
    "import os, signal, threading",
    "def child(end):",
    "  if os.fork() == 0:",
    "    open('/dev/null', 'w')",
    "    end()",
    "child(lambda: os._exit(7)); os.wait()",
    "child(lambda: os.kill(os.getpid(), signal.SIGKILL)); os.wait()",
    "child(lambda: os.kill(os.getpid(), 40)); os.wait()",
    "child(lambda: os.abort()); os.wait()",
    // A daemon: its parent is gone before it ends.
    "child(lambda: (child(lambda: (os.wait() if 0 else None, __import__('time').sleep(0.2), os._exit(9))), os._exit(8))); os.wait()",
    "__import__('time').sleep(0.5)",
    // Its first thread is gone when another ends the process.
    "child(lambda: (threading.Thread(target=lambda: (__import__('time').sleep(0.1), os._exit(10))).start(), __import__('ctypes').CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0))); os.wait()",
    "os._exit(3)",
  ].join("\n");
  const { status, stderr } = await exec(box, ["python3", "-c", script], {
    options: ["--audit", box.at("record")],
  });
  t.is(status, 3, stderr);
  const exits = readRecord(t, box.at("record")).flatMap((event) =>
    event.type === "process.exit" ? [{ exitCode: event.exitCode, signal: event.signal }] : [],
  );
  const expected = [7, "SIGKILL", "SIGRTMIN+8", "SIGABRT", 8, 9, 10, 3];
  const seen = exits.map(({ exitCode, signal }) => signal ?? exitCode);
  // Before Linux 6.15 it depends on whether we look before the parent does.
  const [major = 0, minor = 0] = release().split(".").map(Number);
  if (major > 6 || (major === 6 && minor >= 15)) t.deepEqual(seen, expected);
  else
    t.deepEqual(
      seen.map((end, at) => end ?? expected[at]),
      expected,
    );
});

gccTest("a flood of the same refusal is counted, and in order", async (t) => {
  const box = scratch(t);
  compileProbe("audit-calls", box.work, "-pthread");
  const { status, report } = await exec(
    box,
    [
      "sh",
      "-c",
      "./audit-calls mount 1 50000; mkdir /tmp/d; ./audit-calls mount 1 1; ./audit-calls mount 4 5000",
    ],
    { options: ["--audit", box.at("record")] },
  );
  t.is(status, 0);
  t.true(statSync(box.at("record")).size < 2_000_000);
  const events = readRecord(t, box.at("record"));
  const refusals = callsOf(events, "mount");
  const count = (from: number, to: number): number =>
    refusals
      .filter(({ seq }) => seq > from && seq < to)
      .reduce((sum, event) => sum + (event.repeated ?? 1), 0);
  const made = events.find(({ type }) => type === "file.mkdir")?.seq ?? 0;
  t.is(count(0, made), 50_000);
  t.is(count(made, Infinity), 20_001);
  // A line that counts follows one that it counts from, with nothing else of the task in between.
  for (const event of refusals) {
    if (event.repeated === undefined) continue;
    const before = events.findLast(
      ({ seq, ...other }) =>
        seq < event.seq && "pid" in other && other.pid === event.pid && other.tid === event.tid,
    );
    t.like(before, { type: event.type, args: event.args });
  }
  t.like(report, { audit: { events: events.length, denied: 70_001, dropped: 0 } });
});
