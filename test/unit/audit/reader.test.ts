import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { PassThrough, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import fc from "fast-check";
import { pathPattern } from "../../../src/audit/filter.js";
import { recordLines } from "../../../src/audit/record-lines.js";
import { audit, type AuditOptions } from "../../../src/cli/audit.js";
import { SkillboxError } from "../../../src/errors.js";
import { lineOf, type Members, python, recordOf, runEnd, runStart, sample, shell } from "./sample-record.js";

const directory = mkdtempSync(path.join(tmpdir(), "skillbox-audit-test-"));
test.after.always(() => {
  rmSync(directory, { recursive: true });
});

let files = 0;

function fileOf(content: string | Uint8Array): string {
  const file = path.join(directory, `record-${++files}.jsonl`);
  writeFileSync(file, content);
  return file;
}

interface Shown {
  readonly status: number;
  readonly text: string;
}

async function show(file: string, options: AuditOptions = {}): Promise<Shown> {
  const out = new PassThrough();
  const chunks: Buffer[] = [];
  out.on("data", (chunk: Buffer) => chunks.push(chunk));
  const status = await audit(file, options, out);
  return { status, text: Buffer.concat(chunks).toString().replaceAll(file, "FILE") };
}

async function showRecord(content: string | Uint8Array, options: AuditOptions = {}): Promise<Shown> {
  return show(fileOf(content), options);
}

test("a record as a person reads it", async (t) => {
  const { status, text } = await showRecord(recordOf(sample));
  t.is(status, 0);
  t.is(
    text,
    `run        f1f5d9af-1892-4b4f-81c4-2631884b8cd0  2026-11-22T10:00:00.000000Z
policy     pdf-tools  sha256 ${"ab".repeat(32)}
command    sh -c 'python3 main.py'
in         /work
caller     uid 1000, Linux 6.18.0 x64
limits     pids 64
level      security
outcome    exited with status 1  1.23 s wall, 42 ms CPU, 9.3 MiB memory
record     19 events, 2 denied, complete

Denied
  -                    net.dns         telemetry.example A -> NXDOMAIN  DENIED by default
      hint: network.egress: [{ to: ["telemetry.example"] }]
  python3[3]           privilege       unshare flags=CLONE_NEWUSER  DENIED by syscalls (EPERM)
  python3[3]           file.open       read /etc/shadow  denied, presumably by filesystem

Processes
  2  sh -c 'python3 main.py'  /usr/bin/dash  status 1  3 events
    3  python3 main.py  /usr/bin/python3.11  killed by SIGTERM  10 events

Timeline
   +0.000 -                    run.start
   +0.100 skillbox-init[2]     process.exec    sh -c 'python3 main.py'
   +0.200 sh[3]                process.exec    python3 main.py
   +0.300 python3[3]           file.open       read /etc/shadow  denied, presumably by filesystem
   +0.400 python3[3]           file.open       create /work/out/a.txt and 2 more
   +0.700 python3[3]           file.rename     /work/out/a.txt -> /work/out/c.txt
   +0.800 python3[3]           file.delete     /work/out/b.txt
   +0.900 -                    net.dns         telemetry.example A -> NXDOMAIN  DENIED by default
   +1.000 -                    net.dns         pypi.org A -> 55.98.0.1
   +1.100 python3[3/7]         net.connect     pypi.org:443 (55.98.0.1)
   +1.200 -                    net.tls         pypi.org
   +1.300 -                    net.close       pypi.org:443 (55.98.0.1) 2.0 KiB in, 100 B out
   +1.400 python3[3]           privilege       unshare flags=CLONE_NEWUSER  DENIED by syscalls (EPERM)
   +1.500 sh[2]                process.signal  SIGTERM to 3
   +1.600 python3[3]           process.exit    killed by SIGTERM
   +1.700 sh[2]                process.exit    status 1
   +1.800 -                    run.end

Files opened for writing (2 paths)
       2  /work/out/b.txt
       1  /work/out/a.txt

Names created (1 path)
       1  /work/out/c.txt

Deleted (1 path)
       1  /work/out/b.txt

Renamed (1 path)
       1  /work/out/a.txt

Executed (2 paths)
       1  /usr/bin/python3
       1  /usr/bin/sh

Network
  look up  pypi.org
  connect  pypi.org:443 (55.98.0.1)  2.0 KiB in, 100 B out
`,
  );
});

test("filters: by type, process, verdict and path, all at once", async (t) => {
  const record = recordOf(sample);
  const seqs = async (options: AuditOptions): Promise<number[]> => {
    const { text } = await showRecord(record, { ...options, json: true });
    return text
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => Number(/"seq":(\d+)/.exec(line)?.[1]));
  };
  t.is((await seqs({})).length, sample.length);
  t.deepEqual(await seqs({ type: ["net."] }), [10, 11, 12, 13, 14]);
  t.deepEqual(await seqs({ type: ["net", "file.delete"] }), [9, 10, 11, 12, 13, 14]);
  t.deepEqual(await seqs({ type: ["net.dns"], denied: true }), [10]);
  t.deepEqual(await seqs({ denied: true }), [4, 10, 15]);
  t.deepEqual(await seqs({ pid: "7" }), [12], "a thread");
  t.deepEqual(await seqs({ pid: "2" }), [2, 16, 18]);
  t.deepEqual(await seqs({ path: "/work" }), [5, 6, 7, 8, 9]);
  t.deepEqual(await seqs({ path: "/work/out/*.txt" }), [5, 6, 7, 8, 9]);
  t.deepEqual(await seqs({ path: "/work/*.txt" }), []);
  t.deepEqual(await seqs({ path: "a.txt", type: ["file.rename"] }), [8]);
  t.deepEqual(await seqs({ path: "/etc/" }), [4]);
});

test("a filter narrows what is told, and the tree down to who is meant", async (t) => {
  const { text } = await showRecord(recordOf(sample), { denied: true, type: ["file"] });
  t.regex(text, /\nProcesses\n {2}2 {2}sh .* 0 events\n {4}3 {2}python3 .* 1 event\n/);
  t.false(text.includes("pypi.org"));
  t.regex((await showRecord(recordOf(sample), { path: "/nowhere" })).text, /No event matches\.\n$/);
});

test("paths: globs, prefixes, and names at any depth", (t) => {
  const table: readonly [pattern: string, path: string, matches: boolean][] = [
    ["/", "/a/b", true],
    ["/etc", "/etc/passwd", true],
    ["/etc", "/etcetera", false],
    ["/etc/*", "/etc/ssl/cert.pem", true],
    ["/*/cert.pem", "/etc/ssl/cert.pem", false],
    ["/**/cert.pem", "/etc/ssl/cert.pem", true],
    ["/**/cert.pem", "/cert.pem", true],
    ["*.pem", "/etc/ssl/cert.pem", true],
    ["ssl", "/etc/ssl/cert.pem", true],
    ["sl", "/etc/ssl/cert.pem", false],
    ["/a.b", "/axb", false],
    ["/a?b", "/a/b", false],
    ["/[a]", "/a", false],
    ["/[a]", "/[a]", true],
  ];
  for (const [pattern, tried, matches] of table)
    t.is(pathPattern(pattern).test(tried), matches, `${pattern} ${tried}`);
});

test("wrong options and files that are no records are usage errors", async (t) => {
  const record = fileOf(recordOf(sample));
  const wrong: readonly [file: string, options: AuditOptions, message: RegExp][] = [
    [record, { type: ["file.opne"] }, /^--type: there are no events of type "file\.opne"/],
    [record, { pid: "x" }, /^--pid: "x" is not a number from 0 on/],
    [record, { limit: "0" }, /^--limit: "0" is not a number from 1 on/],
    [path.join(directory, "none"), {}, /cannot be read: .*none: ENOENT/],
    [directory, {}, /cannot be read: .*: EISDIR/],
    [process.execPath, {}, /^this is not an audit record: .*node:1: not an event/],
    [fileOf("hello\nworld\n"), {}, /record-\d+\.jsonl:1: not an event: not JSON/],
    [fileOf('{"v":2,"seq":1}\n'), {}, /:1: version 2 of the record is newer than this skillbox/],
    [fileOf("[]\n"), {}, /:1: not an event: not a JSON object/],
  ];
  for (const [file, options, message] of wrong) {
    const error = await t.throwsAsync(show(file, options), { instanceOf: SkillboxError, message });
    t.is(error.code, "ERR_USAGE");
  }
});

const whole = recordOf(sample);
const lines = whole.split("\n");

const damages: readonly [what: string, content: string, message: RegExp][] = [
  ["no end", lines.slice(0, 5).join("\n") + "\n", /FILE: there is no run\.end/],
  [
    "cut in the middle of a line",
    whole.slice(0, whole.length - 40),
    /FILE:19: cut off in the middle of an event/,
  ],
  ["a line is missing", lines.toSpliced(4, 1).join("\n"), /FILE:5: 1 event is missing before this one/],
  [
    "two lines are exchanged",
    [...lines.slice(0, 4), lines[5], lines[4], ...lines.slice(6)].join("\n"),
    /FILE:6: event 5 stands after event 6/,
  ],
  ["a line is something else", lines.toSpliced(4, 1, "hello").join("\n"), /FILE:5: not an event: not JSON/],
  ["no beginning", lines.slice(1).join("\n"), /FILE: there is no run\.start/],
  [
    "another run's line",
    whole.replace(/f1f5d9af(?=.*"process.signal")/, "00000000"),
    /FILE:16: an event of another run/,
  ],
  [
    "it goes on",
    `${whole}${lineOf({ type: "audit.gap", dropped: 1 }, sample.length)}\n`,
    /FILE:20: the record goes on after run\.end/,
  ],
  ["no time", whole.replace("2026-11-22T10:00:00.300000Z", "yesterday"), /FILE:4: not an event: no `time`/],
  [
    "dropped events",
    recordOf([runStart, { type: "audit.gap", dropped: 5 }, runEnd]),
    /3 events, 0 denied, 5 dropped/,
  ],
];

for (const [what, content, message] of damages) {
  test(`damaged: ${what}`, async (t) => {
    const { status, text } = await showRecord(content);
    t.is(status, 1);
    t.regex(text, message);
  });
}

test("an empty record is incomplete, and a last line without its end is as good as any", async (t) => {
  const empty = await showRecord("");
  t.is(empty.status, 1);
  t.regex(empty.text, /FILE: there is no event in it/);
  t.is((await showRecord(whole.trimEnd())).status, 0);
});

test("events of a newer skillbox are shown as far as they go", async (t) => {
  const { status, text } = await showRecord(
    recordOf([
      runStart,
      { type: "file.teleport", ...python, args: { path: "/x", to: ["there"] }, verdict: "allow" },
      runEnd,
    ]),
  );
  t.is(status, 0);
  t.regex(text, /python3\[3\] {11}file\.teleport {3}path=\/x to=there\n/);
});

test("hostile strings do not reach the terminal, and words stay words", async (t) => {
  const hostile = "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\u200b\u{e0041}\x9b31m\r\n\u2028\ufeff\udc80";
  const record = recordOf([
    {
      ...runStart,
      argv: ["sh", hostile],
      cwd: hostile,
      policy: { name: hostile, sha256: hostile },
      level: hostile,
    },
    {
      type: "process.exec",
      ...shell,
      comm: hostile,
      exe: hostile,
      syscall: hostile,
      args: { path: hostile, argv: [hostile] },
    },
    {
      type: "file.open",
      ...shell,
      args: { path: hostile, flags: [hostile] },
      verdict: "deny",
      rule: hostile,
      hint: hostile,
      errno: hostile,
    },
    {
      type: "syscall",
      ...shell,
      syscall: hostile,
      args: { [hostile]: hostile, more: { [hostile]: [hostile] } },
    },
    { type: hostile, comm: hostile, args: { path: hostile } },
    { type: "net.connect", name: hostile, address: hostile, port: 1, verdict: "allow", errno: hostile },
    { type: "net.dns", name: hostile, query: hostile, response: hostile, verdict: "allow" },
    { type: "net.http", method: hostile, host: hostile, target: hostile, verdict: "allow" },
    { type: "resource.limit", resource: hostile, requested: hostile },
    { type: "run.end", result: { outcome: hostile, signal: hostile, limit: hostile } },
  ]);
  for (const options of [{}, { follow: true }, { json: true }]) {
    const { text } = await showRecord(record, options);
    const found = /[^\P{C}\n]|[\u2028\u2029]/u.exec(text);
    t.is(found, null, JSON.stringify(found));
  }
  const { text } = await showRecord(
    recordOf([
      runStart,
      {
        type: "process.exec",
        ...shell,
        args: { path: "/bin/ls", argv: ["ls", "a b", "it's", "", "\x1b[31m'x", "caf\udcc3\udca9"] },
      },
      runEnd,
    ]),
  );
  t.true(text.includes(String.raw`ls 'a b' 'it'\''s' '' $'\x1b[31m\'x' $'caf\xc3\xa9'`), text);
});

test("--json gives the events as they are, escaped where they would drive a terminal", async (t) => {
  const raw = `${lineOf(runStart, 0)}\n${lineOf({ type: "syscall", args: { text: "\u202e\u{e0041}" } }, 1)}\n${lineOf(runEnd, 2)}\n`;
  const { text } = await showRecord(raw, { json: true });
  t.false(text.includes("\u202e"));
  t.true(text.includes(String.raw`\u202e\udb40\udc41`));
  t.deepEqual(
    text
      .split("\n")
      .filter(Boolean)
      .map((line): unknown => JSON.parse(line)),
    raw
      .split("\n")
      .filter(Boolean)
      .map((line): unknown => JSON.parse(line)),
  );
});

test("colours only on a terminal that wants them", async (t) => {
  const file = fileOf(whole);
  const coloured = async (
    environment: Readonly<Record<string, string>>,
    isTTY: boolean,
  ): Promise<boolean> => {
    const chunks: string[] = [];
    const out = Object.assign(
      new Writable({
        write(chunk: Buffer, _encoding, done) {
          chunks.push(chunk.toString());
          done();
        },
      }),
      { isTTY },
    );
    const before = { ...process.env };
    Object.assign(process.env, { NO_COLOR: "", TERM: "xterm", ...environment });
    try {
      await audit(file, {}, out);
    } finally {
      process.env = before;
    }
    return chunks.join("").includes("\x1b[");
  };
  t.true(await coloured({}, true));
  t.false(await coloured({}, false));
  t.false(await coloured({ NO_COLOR: "1" }, true));
  t.false(await coloured({ TERM: "dumb" }, true));
});

test("a long record is cut to its sections' limits, and says so", async (t) => {
  const events = [
    runStart,
    ...Array.from({ length: 5000 }, (_, index) => ({
      type: index % 2 === 0 ? "file.open" : "file.delete",
      ...shell,
      pid: 10 + (index % 700),
      args: { path: `/tmp/${index}`, flags: ["O_RDONLY"] },
      verdict: index % 7 === 0 ? "deny" : "allow",
    })),
    runEnd,
  ];
  const { status, text } = await showRecord(recordOf(events), { limit: "9" });
  t.is(status, 0);
  t.true(text.split("\n").length < 90, text);
  t.regex(text, /Denied\n(?: .*\n){9} {2}… and 706 more lines \(--limit\)\n/);
  t.regex(text, /Processes\n(?: .*\n){9} {2}… and 691 more lines/);
  t.regex(text, /Timeline\n(?: .*\n){6} {2}… 4993 lines left out .*\n.*\n.*\n \+500\.100 - .* run\.end\n/);
  t.regex(text, /Read \(2142 paths\)\n(?: .*\n){9} {2}… and 2133 more lines/);
});

test("forks without end, and parents in a circle", async (t) => {
  const chain = Array.from({ length: 3000 }, (_, index) => ({
    type: "syscall",
    pid: index + 2,
    ppid: index + 1,
    syscall: "getcwd",
  }));
  const circle = [
    { type: "syscall", pid: 5, ppid: 6, syscall: "x" },
    { type: "syscall", pid: 6, ppid: 5, syscall: "x" },
    { type: "syscall", pid: 7, ppid: 7, syscall: "x" },
  ];
  t.is((await showRecord(recordOf([runStart, ...chain, runEnd]), { limit: "100000" })).status, 0);
  const { text } = await showRecord(recordOf([runStart, ...circle, runEnd]));
  t.regex(text, /Processes\n {2}5 .*\n {4}6 .*\n {2}7 /);
});

test("following: lines as they come, whole ones only, until run.end", async (t) => {
  const file = fileOf("");
  const out = new PassThrough();
  let text = "";
  out.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const following = audit(file, { follow: true }, out);
  const appears = async (pattern: RegExp): Promise<void> => {
    for (let waits = 0; !pattern.test(text); waits++) {
      if (waits > 400) throw new Error(`${String(pattern)} did not appear in ${text}`);
      await sleep(25);
    }
  };
  appendFileSync(file, `${lines.slice(0, 3).join("\n")}\n${(lines[3] ?? "").slice(0, 100)}`);
  await appears(/python3 main\.py\n/);
  t.regex(text, /^run {8}f1f5d9af/);
  t.false(text.includes("/etc/shadow"));
  appendFileSync(file, `${(lines[3] ?? "").slice(100)}\n`);
  await appears(/\+0\.300 python3\[3\] {11}file\.open {7}read \/etc\/shadow/);
  appendFileSync(file, lines.slice(4).join("\n"));
  t.is(await following, 0);
  t.regex(text, /\noutcome {4}exited with status 1 .*\nrecord {5}19 events, 2 denied, complete\n$/);
});

test("following goes on where half a line was taken back, as the writer does when its disk is full", async (t) => {
  const begun = `${lines.slice(0, 3).join("\n")}\n`;
  const file = fileOf(begun + (lines[3] ?? "").slice(0, 50));
  const out = new PassThrough();
  let text = "";
  out.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const following = audit(file, { follow: true }, out);
  await sleep(250);
  truncateSync(file, begun.length);
  await sleep(250);
  appendFileSync(file, lines.slice(3).join("\n"));
  t.is(await following, 0, text);
  t.regex(text, /\nrecord {5}19 events, 2 denied, complete\n$/);
});

test("refusals that were counted, and argument vectors that were cut", async (t) => {
  const refused = {
    type: "privilege",
    ...python,
    syscall: "vhangup",
    args: {},
    verdict: "deny",
    rule: "syscalls",
  };
  const argv = { items: ["make", "a", { text: "bb", length: 9000 }], length: 9000 };
  const { text } = await showRecord(
    recordOf([
      runStart,
      {
        type: "process.exec",
        ...shell,
        syscall: "execve",
        args: { path: "/usr/bin/make", argv },
        verdict: "allow",
      },
      refused,
      { ...refused, repeated: 999 },
      { ...refused, repeated: 500 },
      runEnd,
    ]),
  );
  t.regex(text, /record {5}6 events, 1500 denied, complete\n/);
  t.regex(text, /Denied\n {2}python3\[3\] .* vhangup \(1500 times\) {2}DENIED by syscalls\n\n/);
  t.regex(text, /process\.exec {4}make a 'bb…' \(and 8997 more\)\n/);
  t.regex(text, / {2}2 {2}make a 'bb…'/);
});

test("following ends when it is told to, or when the file is cut", async (t) => {
  const file = fileOf(`${lines.slice(0, 3).join("\n")}\n`);
  const abort = new AbortController();
  const out = new PassThrough().resume();
  const told = audit(file, { follow: true, signal: abort.signal }, out);
  const cut = audit(file, { follow: true, json: true }, new PassThrough().resume());
  await sleep(200);
  abort.abort();
  t.is(await told, 1);
  truncateSync(file, 10);
  t.is(await cut, 1);
});

test("a reader that goes away ends it", async (t) => {
  const out = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error("EPIPE"), { code: "EPIPE" }));
    },
  });
  const record = recordOf([
    runStart,
    ...Array.from({ length: 2000 }, () => ({ type: "syscall", syscall: "x" })),
    runEnd,
  ]);
  t.is(await audit(fileOf(record), { json: true }, out), 0);
});

test("lines of any length and any bytes, from chunks of any kind", async (t) => {
  const long = "x".repeat(17 << 20);
  const file = fileOf(`${lines[0] ?? ""}\n${long}\n${lines[1] ?? ""}\n${runEndLine(3)}\n`);
  const { status, text } = await show(file);
  t.is(status, 1);
  t.regex(text, /FILE:2: not an event: too long/);
  t.regex(text, /record {5}3 events/);
});

function runEndLine(seq: number): string {
  return lineOf(runEnd, seq - 1);
}

test("the lines are those of the file, whatever is in it", async (t) => {
  const { open } = await import("node:fs/promises");
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.constantFrom(1, 1000, 5000),
      async (bytes, times) => {
        const content = Buffer.concat(Array.from({ length: times }, () => bytes));
        const handle = await open(fileOf(content));
        const read: Uint8Array[] = [];
        let last = true;
        try {
          for await (const batch of recordLines(handle)) {
            for (const line of batch) {
              read.push(line.bytes ?? Buffer.alloc(0), Buffer.from(line.ended ? "\n" : ""));
              last = line.ended;
            }
          }
        } finally {
          await handle.close();
        }
        t.true(Buffer.concat(read).equals(content));
        t.is(last, content.length === 0 || content.at(-1) === 0x0a);
      },
    ),
    { numRuns: 50 },
  );
});

/** Shows it in every way; whatever is in it, the only error is a usage error, and the output is fit for a terminal. */
async function survives(content: string | Uint8Array): Promise<boolean> {
  const file = fileOf(content);
  try {
    for (const options of [{}, { denied: true, path: "/" }, { follow: true, signal: AbortSignal.abort() }]) {
      const { status, text } = await show(file, options);
      if ((status !== 0 && status !== 1) || /[^\P{C}\n]|[\u2028\u2029]/u.test(text)) return false;
    }
    return true;
  } catch (error) {
    return error instanceof SkillboxError && error.code === "ERR_USAGE";
  } finally {
    rmSync(file);
  }
}

test("fuzz: any bytes", async (t) => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), survives), { numRuns: 200 });
  await fc.assert(fc.asyncProperty(fc.string({ unit: "binary", maxLength: 500 }), survives), {
    numRuns: 200,
  });
  t.pass();
});

test("fuzz: records with bytes changed, taken out and put in", async (t) => {
  const change = fc.record({
    at: fc.nat(whole.length),
    cut: fc.nat(30),
    put: fc.uint8Array({ maxLength: 10 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 8 }), async (changes) => {
      let bytes = Buffer.from(whole);
      for (const { at, cut, put } of changes)
        bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)]);
      return survives(bytes);
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test("fuzz: events whose members are of any type and value", async (t) => {
  const members = sample.flatMap((one) => Object.keys(one));
  const argumentNames = sample.flatMap(({ args = {} }) => Object.keys(args));
  const name = fc.constantFrom(...new Set([...members, ...argumentNames, "result"]));
  const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.string({ unit: "binary" }));
  const event = fc
    .tuple(fc.constantFrom(...sample), fc.dictionary(name, value), fc.dictionary(name, value))
    .map(([original, changed, args]): Members => {
      const { type } = changed;
      const ofAnyType = typeof type === "string" ? type : original.type;
      return { ...original, args: { ...original.args, ...args }, ...changed, type: ofAnyType };
    });
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 12 }), async (events) => survives(recordOf(events))),
    { numRuns: 300 },
  );
  t.pass();
});
