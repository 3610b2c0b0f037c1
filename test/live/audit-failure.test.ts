import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, unlinkSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import type { AuditEvent, EventOf } from "../../src/audit/event.js";
import { cli, exec, start } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { callsOf, readRecord } from "../helpers/record.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch, type Scratch } from "../helpers/scratch.js";

/** What becomes of a run whose record cannot be written, and of a record whose program does not want to be seen. */
const liveTest = requires(test, "userns");
const gccTest = requires(test, "userns", "program:gcc");

function policy(audit: string): string {
  return `version: 1\nfilesystem:\n  write: [./work]\naudit: { ${audit} }\n`;
}

function gapsOf(events: readonly AuditEvent[]): EventOf<"audit.gap">[] {
  return events.filter((event) => event.type === "audit.gap");
}

const unwritable: readonly [string, (box: Scratch) => string][] = [
  ["in a directory that is not there", (box) => box.at("missing/record")],
  ["a directory", (box) => box.work],
  ["below a file", (box) => `${box.file("plain", "")}/record`],
  ["a FIFO that nobody reads from", (box) => fifo(box)],
];

function fifo(box: Scratch): string {
  spawnSync("mkfifo", [box.at("fifo")]);
  return box.at("fifo");
}

for (const [what, where] of unwritable) {
  liveTest(`a record that cannot be opened ends the run before anything runs: ${what}`, async (t) => {
    const box = scratch(t);
    const ended = await exec(box, ["touch", box.at("work/ran")], {
      options: ["--write", ".", "--audit", where(box)],
    });
    t.is(ended.status, 125);
    t.regex(ended.stderr, /^skillbox: error: the audit record (cannot be written|must be a regular file): /);
    t.like(ended.report, { error: { code: "ERR_AUDIT", stage: "audit" } });
    t.false(existsSync(box.at("work/ran")));
  });
}

gccTest("a full disk stops the run, and says so", async (t) => {
  const box = scratch(t);
  compileProbe("audit-calls", box.work, "-pthread");
  const before = snapshotHost();
  const ended = await exec(box, ["./audit-calls", "write", "4", "100000000"], {
    policy: policy("level: files"),
    options: ["--audit", "/dev/full"],
  });
  t.is(ended.status, 125);
  t.regex(
    ended.stderr,
    /^skillbox: error: the audit record \/dev\/full is incomplete: .*ENOSPC; the run was stopped\n/,
  );
  t.like(ended.report, { error: { code: "ERR_AUDIT", errno: "ENOSPC" } });
  await assertUnchanged(before);
});

gccTest(
  "a full disk with onFailure: continue lets the program finish, and counts what was dropped",
  async (t) => {
    const box = scratch(t);
    compileProbe("audit-calls", box.work, "-pthread");
    const ended = await exec(box, ["./audit-calls", "write", "1", "3000"], {
      policy: policy("level: security, onFailure: continue"),
      options: ["--audit", "/dev/full"],
    });
    t.is(ended.status, 0, ended.stderr);
    t.true(ended.stdout.startsWith("3000 0 0 "));
    // And one each for exec, exit, start and end.
    t.like(ended.report, { outcome: "exited", audit: { events: 0, dropped: 3004 } });
  },
);

gccTest("audit.maxBytes stops the run: no call goes on that the record has no room for", async (t) => {
  const box = scratch(t);
  compileProbe("audit-calls", box.work, "-pthread");
  const ended = await exec(box, ["./audit-calls", "write", "1", "5000"], {
    policy: policy("level: files, maxBytes: 300kB"),
    options: ["--audit", box.at("record")],
  });
  t.is(ended.status, 125);
  t.is(ended.stdout, "");
  t.regex(ended.stderr, /is incomplete: it has reached audit\.maxBytes; the run was stopped\n/);
  t.true(statSync(box.at("record")).size <= 300_000);
  const events = readRecord(t, box.at("record"));
  t.true(events.length > 500);
  t.like(events.at(-1), { type: "audit.gap", reason: "audit.maxBytes is reached" });
});

gccTest(
  "audit.maxBytes with onFailure: continue: the record ends in whole lines, the program runs on",
  async (t) => {
    const box = scratch(t);
    compileProbe("audit-calls", box.work, "-pthread");
    const ended = await exec(box, ["./audit-calls", "write", "1", "5000"], {
      policy: policy("level: security, maxBytes: 300kB, onFailure: continue"),
      options: ["--audit", box.at("record")],
    });
    t.is(ended.status, 0, ended.stderr);
    t.true(ended.stdout.startsWith("5000 0 0 "));
    const { size } = statSync(box.at("record"));
    t.true(size <= 300_000 && size > 300_000 - 8192 - 500, `${size} bytes`);
    const events = readRecord(t, box.at("record"));
    // One where it filled, when nobody could know how many would follow; one at the end for the rest.
    const gaps = gapsOf(events);
    t.deepEqual(
      gaps.map(({ reason }) => reason),
      ["audit.maxBytes is reached", "audit.maxBytes is reached"],
    );
    const kept = events.length - gaps.length;
    const dropped = gaps.reduce((sum, gap) => sum + gap.dropped, 0);
    t.is(kept + dropped, 5004);
    const last = events.at(-1);
    t.is(last?.type, "run.end");
    if (last?.type === "run.end")
      t.deepEqual(last.result.audit, { events: events.length, denied: 0, dropped });
    t.like(ended.report, { audit: { events: events.length, dropped } });
    const shown = spawnSync(process.execPath, [cli, "audit", box.at("record")], { encoding: "utf8" });
    t.regex(shown.stdout, new RegExp(`, ${dropped} dropped\\n`));
  },
);

requires(test, "root", "userns", "program:gcc").serial(
  "a disk that is full for a while: the record goes on when there is room, and says how many are missing",
  async (t) => {
    const box = scratch(t);
    compileProbe("audit-calls", box.work, "-pthread");
    const disk = box.directory("disk");
    t.is(spawnSync("mount", ["-t", "tmpfs", "-o", "size=1280k", "tmpfs", disk]).status, 0);
    t.teardown(() => spawnSync("umount", ["--lazy", disk]));
    box.file("disk/filler", Buffer.alloc(1024 * 1024));
    const calls = "./audit-calls write 1 2000";
    const script = `${calls}; while ! [ -e go ]; do sleep 0.05; done; ${calls}`;
    const running = start(box, ["sh", "-c", script], {
      policy: policy("level: security, onFailure: continue"),
      options: ["--audit", box.at("disk/record")],
    });
    await running.line(/^2000 0 0 /);
    t.true(statSync(box.at("disk/record")).size <= 256 * 1024);
    unlinkSync(box.at("disk/filler"));
    box.file("work/go", "");
    const ended = await running.ended;
    t.is(ended.status, 0, ended.stderr);
    const events = readRecord(t, box.at("disk/record"));
    const gaps = gapsOf(events);
    t.true(gaps.length > 0 && gaps.every(({ reason }) => reason === "ENOSPC"));
    const dropped = gaps.reduce((sum, gap) => sum + gap.dropped, 0);
    const opens = callsOf(events, "openat").length;
    t.true(opens < 4000 && opens + dropped >= 4000, `${opens} and ${dropped}`);
    // What came after the disk had room is there to the last.
    const resumed = gaps.at(-1)?.seq ?? Infinity;
    t.true(callsOf(events.slice(resumed), "openat").length >= 2000);
    t.like(ended.report, { audit: { events: events.length, dropped } });
    const last = events.at(-1);
    if (last?.type === "run.end") t.is(last.result.audit?.dropped, dropped);
    t.is(last?.type, "run.end");
  },
);

/** Runs test/fixtures/probes/audit-undumpable.c: it ends well, and all its calls are on record. */
async function undumpableCalls(t: ExecutionContext, box: Scratch, program: string) {
  const { status, stdout, stderr } = await exec(box, [program], {
    options: ["--audit", box.at("record")],
  });
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "undumpable\ndumpable\n", stderr: "" });
  const calls = callsOf(readRecord(t, box.at("record")));
  t.deepEqual(
    calls.map(({ syscall }) => syscall),
    ["execve", "prctl", "openat", "execve"],
  );
  return calls;
}

gccTest(
  "a program that lets nobody look into it runs, and is on record with what can be known",
  async (t) => {
    const box = scratch(t);
    compileProbe("audit-undumpable", box.work);
    const [, , open] = await undumpableCalls(t, box, "./audit-undumpable");
    t.deepEqual(open?.args?.["flags"], ["O_WRONLY", "O_CLOEXEC"]);
    t.is(typeof open?.pid, "number");
    // The sandbox's owner may look all the same, where the kernel asks for no capability over the program's user namespace.
    const path = open?.args?.["path"];
    if (path !== "/dev/null") t.deepEqual(path, { unreadable: "EPERM" });
  },
);

gccTest(
  "a program that may be run and not read runs, and its arguments are on record or said to be unreadable",
  async (t) => {
    const box = scratch(t);
    compileProbe("audit-undumpable", box.work);
    box.file("work/closed", readFileSync(box.at("work/audit-undumpable")), 0o111);
    await undumpableCalls(t, box, "./closed");
  },
);

gccTest("a program's own filter: what it refuses never gets to the record, the rest does", async (t) => {
  const box = scratch(t);
  compileProbe("with-filter", box.work);
  // struct sock_filter[]: load nr; mkdir is ERRNO(EXDEV); everything else is allowed.
  const instruction = (code: number, jt: number, jf: number, k: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeUInt16LE(code, 0);
    bytes.writeUInt8(jt, 2);
    bytes.writeUInt8(jf, 3);
    bytes.writeUInt32LE(k, 4);
    return bytes;
  };
  const mkdirat = process.arch === "arm64" ? 34 : 258;
  const mkdir = process.arch === "arm64" ? mkdirat : 83;
  const program = [
    instruction(0x20, 0, 0, 0),
    instruction(0x15, 1, 0, mkdirat),
    instruction(0x15, 0, 1, mkdir),
    instruction(0x06, 0, 0, 0x0005_0000 | 18),
    instruction(0x06, 0, 0, 0x7fff_0000),
  ];
  box.file("work/filter", Buffer.concat(program));
  const { status, stderr } = await exec(
    box,
    ["./with-filter", "filter", "sh", "-c", "mkdir /tmp/a; touch /tmp/b && rm /tmp/b"],
    { options: ["--audit", box.at("record")], environment: { LC_ALL: "C" } },
  );
  t.is(status, 0);
  t.regex(stderr, /^mkdir: cannot create directory .*: Invalid cross-device link\n$/);
  const calls = callsOf(readRecord(t, box.at("record"))).map(({ syscall }) => String(syscall));
  t.true(calls.includes("seccomp"));
  t.true(calls.some((name) => name.startsWith("unlink")));
  t.false(calls.some((name) => name.startsWith("mkdir")));
});
