import { mkdirSync, readFileSync } from "node:fs";
import test from "ava";
import { exec, start } from "../helpers/exec.js";
import { readRecord, tallyRecord } from "../helpers/record.js";
import { requires } from "../helpers/requires.js";
import { compileProbe, scratch } from "../helpers/scratch.js";

/** Nothing is missing from a record, however much there is: the program counts its own calls. */
const gccTest = requires(test, "userns", "program:gcc");

/** The acceptance run has a million: SKILLBOX_TEST_CALLS=1000000. */
const calls = Number(process.env["SKILLBOX_TEST_CALLS"] ?? 60_000);

function policy(level: string): string {
  return `version: 1\nfilesystem:\n  write: [./work]\nresources: { wallTime: 10m }\naudit: { level: ${level} }\n`;
}

interface Counted {
  readonly made: number;
  readonly interrupted: number;
  readonly failed: number;
}

/** What audit-calls.c printed. */
function counted(stdout: string): Counted {
  const [made = 0, interrupted = 0, failed = 0] = stdout.trim().split(" ").map(Number);
  return { made, interrupted, failed };
}

function residentBytes(pid: number | undefined): number {
  const status = readFileSync(`/proc/${pid ?? 0}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

for (const kind of ["getpriority", "write"] as const) {
  gccTest.serial(`${calls} calls at level all are as many lines, in bounded memory: ${kind}`, async (t) => {
    t.timeout(600_000);
    const box = scratch(t);
    compileProbe("audit-calls", box.work, "-pthread");
    const running = start(box, ["./audit-calls", kind, "1", String(calls)], {
      policy: policy("all"),
      options: ["--audit", box.at("record")],
    });
    const resident: number[] = [];
    const sampler = setInterval(() => resident.push(residentBytes(running.child.pid)), 100);
    // What comes after it is the checksum of the file, which is not the record's business.
    await Promise.race([running.line(/^\d/), running.ended]);
    clearInterval(sampler);
    const { status, stdout, stderr } = await running.ended;
    t.is(status, 0, stderr);
    t.deepEqual(counted(stdout), { made: calls, interrupted: 0, failed: 0 });

    const { counts } = await tallyRecord(box.at("record"));
    const name = kind === "write" ? "openat" : kind;
    // The loader opens files before main() does.
    const others = kind === "write" ? (counts.get(name) ?? 0) - calls : 0;
    t.true(others >= 0 && others < 10, `${others} more`);
    t.is((counts.get(name) ?? 0) - others, calls);
    // Half a second in, everything is loaded; what a run needs from then on is batches.
    const grown = Math.max(0, ...resident.slice(5)) - (resident[5] ?? 0);
    t.log(
      `resident: ${Math.max(0, ...resident) >> 20} MiB at most, of which ${grown >> 10} KiB came while it ran`,
    );
    t.true(grown < 8 * 1024 ** 2, `${grown} bytes`);
  });
}

gccTest.serial("64 threads at once, and none of their calls is missing", async (t) => {
  t.timeout(600_000);
  const box = scratch(t);
  compileProbe("audit-calls", box.work, "-pthread");
  const each = Math.ceil(calls / 64);
  const { status, stdout, stderr } = await exec(box, ["./audit-calls", "write", "64", String(each)], {
    policy: policy("security"),
    options: ["--audit", box.at("record")],
  });
  t.is(status, 0, stderr);
  t.deepEqual(counted(stdout), { made: 64 * each, interrupted: 0, failed: 0 });
  const { counts } = await tallyRecord(box.at("record"));
  t.is(counts.get("openat"), 64 * each);
});

requires(test, "userns", "program:gcc", "program:make").serial(
  "make -j4 of 40 files under level all: each compiler and each object is on record",
  async (t) => {
    const box = scratch(t);
    mkdirSync(box.at("work/src"));
    const numbers = Array.from({ length: 40 }, (_, index) => index);
    for (const n of numbers) box.file(`work/src/f${n}.c`, `int f${n}(int x) { return x + ${n}; }\n`);
    box.file(
      "work/src/main.c",
      [
        "#include <stdio.h>",
        ...numbers.map((n) => `int f${n}(int x);`),
        `int main(void) { printf("%d\\n", ${numbers.map((n) => `f${n}(1)`).join(" + ")}); }`,
      ].join("\n"),
    );
    const objects = ["main", ...numbers.map((n) => `f${n}`)].map((name) => `${name}.o`).join(" ");
    box.file("work/src/Makefile", `sum: ${objects}\n\tgcc -o sum ${objects}\n%.o: %.c\n\tgcc -c -o $@ $<\n`);
    const { status, stdout, stderr } = await exec(box, ["sh", "-c", "cd src && make -s -j4 && ./sum"], {
      policy: policy("all"),
      options: ["--audit", box.at("record")],
    });
    t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "820\n", stderr: "" });
    const events = readRecord(t, box.at("record"));
    const created = new Set<string>();
    const executed = new Map<string, number>();
    for (const event of events) {
      if (event.type !== "file.open" && event.type !== "process.exec") continue;
      const target = event.args["path"];
      if (typeof target !== "string") continue;
      const flags = event.args["flags"];
      if (Array.isArray(flags) && flags.some((flag) => flag === "O_CREAT")) created.add(target);
      const program = target.slice(target.lastIndexOf("/") + 1);
      if (event.type === "process.exec") executed.set(program, (executed.get(program) ?? 0) + 1);
    }
    for (const object of objects.split(" ")) t.true(created.has(box.at(`work/src/${object}`)), object);
    t.is(executed.get("cc1"), 41);
    t.is(executed.get("make"), 1);
    const exits = events.filter(({ type }) => type === "process.exit").length;
    t.true(exits >= 41 * 3, `${exits} exits`);
  },
);
