import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { callerEnvironment, cli, exec, start } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { requires } from "../helpers/requires.js";
import { scratch, type Scratch } from "../helpers/scratch.js";

/** How a run ends, and what it says of that: exit status, report, standard error. */
const liveTest = requires(test, "userns");

const statuses: readonly [string, readonly string[], number, object][] = [
  ["0", ["true"], 0, { outcome: "exited", exitCode: 0 }],
  ["7", ["sh", "-c", "exit 7"], 7, { outcome: "exited", exitCode: 7 }],
  [
    "its own 125, which the report tells from ours",
    ["sh", "-c", "exit 125"],
    125,
    { outcome: "exited", exitCode: 125 },
  ],
  ["143 by SIGTERM", ["sh", "-c", "kill -TERM $$"], 143, { outcome: "signaled", signal: "SIGTERM" }],
  ["137 by SIGKILL", ["sh", "-c", "kill -KILL $$"], 137, { outcome: "signaled", signal: "SIGKILL" }],
  [
    "134 by abort, without a core",
    ["sh", "-c", "kill -ABRT $$"],
    134,
    { outcome: "signaled", signal: "SIGABRT" },
  ],
];

for (const [what, argv, status, report] of statuses) {
  liveTest(`the program's exit status is the run's: ${what}`, async (t) => {
    const ended = await exec(scratch(t), argv);
    t.deepEqual([ended.status, ended.stdout, ended.stderr], [status, "", ""]);
    t.like(ended.report, report);
  });
}

liveTest("the report has every part of a result", async (t) => {
  const box = scratch(t);
  const policy = "version: 1\nresources: { wallTime: 60s, cpuTime: 30s, pids: 32, fileSize: 1MiB }\n";
  const { report } = await exec(
    box,
    ["sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exit 3"],
    { policy },
  );
  t.like(report, {
    outcome: "exited",
    exitCode: 3,
    network: { connections: 0, denied: 0, bytesIn: 0, bytesOut: 0 },
    changes: [],
  });
  const result = record(report);
  t.regex(String(result["runId"]), /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  t.true(Number(result["wallTimeMs"]) > 1 && Number(result["wallTimeMs"]) < 60_000);
  t.true(Number(record(result["cpuTimeMs"])["user"]) > 0);
  t.true(Number(result["memoryPeakBytes"]) > 100_000);
  t.deepEqual(
    list(result["limits"]).map(
      (limit) => `${String(record(limit)["resource"])} ${String(record(limit)["requested"])}`,
    ),
    ["pids 32", "wallTime 60s", "cpuTime 30s", "openFiles 1024", "fileSize 1MiB"],
  );
  for (const layer of ["user", "capabilities", "pid", "mount", "network", "no-user-namespaces", "seccomp"]) {
    t.true(list(result["layers"]).includes(layer), layer);
  }
  t.true("audit" in result);
});

const failures: readonly [string, (box: Scratch) => readonly string[], number, string, RegExp][] = [
  [
    "a program that is not there",
    () => ["no-such-program"],
    127,
    "ERR_NOT_FOUND",
    /^skillbox: error: no-such-program: .*not found.*\n {2}hint: .*\n$/,
  ],
  [
    "a path that is not there",
    () => ["./no-such-program"],
    127,
    "ERR_NOT_FOUND",
    /^skillbox: error: .*no-such-program: no such file\n {2}hint: .*\n$/,
  ],
  [
    "a file that is not executable",
    (box) => [box.file("work/plain", "text")],
    126,
    "ERR_NOT_EXECUTABLE",
    /^skillbox: error: .*plain.*\n {2}hint: .*chmod \+x.*\n$/,
  ],
  [
    "a directory",
    (box) => [box.work],
    126,
    "ERR_NOT_EXECUTABLE",
    /^skillbox: error: .*\/work: not an executable file\n/,
  ],
  [
    "an executable that is neither a binary nor a script",
    (box) => [box.file("work/garbage", "\x7fnothing", 0o755)],
    126,
    "ERR_NOT_EXECUTABLE",
    /^skillbox: error: .*garbage: cannot be executed: ENOEXEC\n {2}hint: it is neither a binary for this machine nor a script with `#!`\n$/,
  ],
  [
    "a script whose interpreter is not there",
    (box) => [box.file("work/script", "#!/no/such/interpreter\n", 0o755)],
    127,
    "ERR_NOT_FOUND",
    /^skillbox: error: .*(script|interpreter).*\n {2}hint: .*\n$/,
  ],
  ["an empty name", () => [""], 125, "ERR_USAGE", /^skillbox: error: no program to run\n/],
];

for (const [what, argv, status, code, message] of failures) {
  liveTest(`a program that cannot start has status ${status}: ${what}`, async (t) => {
    const box = scratch(t);
    const ended = await exec(box, argv(box));
    t.is(ended.status, status, ended.stderr);
    t.is(ended.stdout, "");
    t.regex(ended.stderr, message);
    t.like(ended.report, { error: { code } });
  });
}

liveTest("what follows the program is the program's, with -- or without", async (t) => {
  const box = scratch(t);
  const options = ["--read", "x", "-t", "--", "--help", "-C", "/", ""];
  const after = await exec(box, ["printf", "[%s]", ...options]);
  t.deepEqual([after.status, after.stdout], [0, "[--read][x][-t][--][--help][-C][/][]"], after.stderr);
  const { status, stdout } = spawnSync(
    process.execPath,
    [cli, "exec", "printf", "[%s]", "--report", "--env"],
    {
      cwd: box.work,
      env: callerEnvironment(box),
      encoding: "utf8",
    },
  );
  t.deepEqual([status, stdout], [0, "[--report][--env]"]);
});

liveTest("an unknown option, no program, a policy that is not there: 125 and nothing on stdout", (t) => {
  const box = scratch(t);
  const wrong = [
    ["--nonsense", "--", "true"],
    [],
    ["--"],
    ["--policy", "nowhere.yaml", "--", "true"],
    ["--env", "1=2", "true"],
  ];
  for (const args of wrong) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [cli, "exec", ...args], {
      cwd: box.work,
      encoding: "utf8",
    });
    t.deepEqual([status, stdout], [125, ""], `${args.join(" ")}: ${stderr}`);
    t.regex(stderr, /error: /);
    t.notRegex(stderr, /\bat .*\.js:\d+/, "no stack");
  }
});

liveTest("a policy with a mistake is shown with line and caret, and nothing runs", async (t) => {
  const box = scratch(t);
  const policy = "version: 1\nfilesystem:\n  raed: [./work]\n";
  const { status, stdout, stderr, report } = await exec(box, ["true"], { policy });
  t.deepEqual([status, stdout], [125, ""]);
  t.regex(stderr, /policy-\d+\.yaml:3:3: error: .*raed.*\n.*\n? *.*raed: \[\.\/work\]\n[ |]*\^/);
  t.regex(stderr, /read/);
  t.like(report, { error: { code: "ERR_POLICY" } });
});

liveTest("a report that cannot be written is said before anything runs", async (t) => {
  const box = scratch(t);
  const { status, stdout, stderr } = await exec(box, ["echo", "ran"], {
    options: ["--report", box.at("no/such/report")],
  });
  // The later --report, which the helper adds, wins: ask without it.
  t.deepEqual([status, stdout, stderr], [0, "ran\n", ""]);
  const alone = spawnSync(
    process.execPath,
    [cli, "exec", "--report", box.at("no/such/report"), "--", "echo", "ran"],
    {
      cwd: box.work,
      encoding: "utf8",
    },
  );
  t.deepEqual([alone.status, alone.stdout], [125, ""]);
  t.regex(alone.stderr, /^skillbox: error: --report: .*report cannot be written: ENOENT.*\n {2}hint: .*\n$/);
});

for (const signal of ["SIGTERM", "SIGHUP", "SIGUSR1", "SIGINT", "SIGQUIT"] as const) {
  liveTest(`${signal} is passed on, and the program decides`, async (t) => {
    const name = signal.slice(3);
    const run = start(scratch(t), [
      "sh",
      "-c",
      `trap 'echo got; exit 9' ${name}; echo ready; while :; do sleep 0.05; done`,
    ]);
    await run.line(/ready/);
    run.child.kill(signal);
    const { status, stdout } = await run.ended;
    t.deepEqual([status, stdout], [9, "ready\ngot\n"]);
  });
}

liveTest("SIGTERM to the program alone, SIGINT to its whole group; untrapped they end it", async (t) => {
  const script =
    "(trap 'echo child; exit' INT TERM; echo ready; while :; do sleep 0.05; done) & trap '' INT; wait; wait";
  const box = scratch(t);
  const interrupted = start(box, ["bash", "-c", script]);
  await interrupted.line(/ready/);
  interrupted.child.kill("SIGINT");
  const first = await interrupted.ended;
  t.deepEqual([first.status, first.stdout], [0, "ready\nchild\n"]);
  const terminated = start(box, ["sh", "-c", "echo ready; exec sleep 60"]);
  await terminated.line(/ready/);
  terminated.child.kill("SIGTERM");
  const second = await terminated.ended;
  t.is(second.status, 143);
  t.like(second.report, { outcome: "signaled", signal: "SIGTERM" });
});

liveTest.serial(
  "what the program leaves behind dies with it: daemons, sessions of their own, stopped processes",
  async (t) => {
    const before = snapshotHost();
    const script =
      "setsid sh -c 'trap \"\" TERM HUP; sleep 600 & sleep 601' & (sleep 602 & kill -STOP $!); sleep 0.1; echo done";
    const { status, stdout, elapsedMs } = await exec(scratch(t), ["sh", "-c", script]);
    t.deepEqual([status, stdout], [0, "done\n"]);
    t.true(elapsedMs < 10_000);
    await t.notThrowsAsync(assertUnchanged(before));
  },
);

liveTest.serial("SIGKILL of skillbox leaves no process of the run within a second", async (t) => {
  const before = snapshotHost();
  const run = start(scratch(t), ["sh", "-c", "trap '' TERM HUP; setsid sleep 600 & echo ready; sleep 601"]);
  await run.line(/ready/);
  t.true(programsBelow(run.child.pid ?? 0), "the run is there to be killed");
  run.child.kill("SIGKILL");
  t.is((await run.ended).signal, "SIGKILL");
  await t.notThrowsAsync(assertUnchanged(before));
});

liveTest("a stopped and continued run goes on", async (t) => {
  const run = start(scratch(t), ["sh", "-c", "echo ready; read line; echo $line"], { stdin: "" });
  const other = start(scratch(t), [
    "sh",
    "-c",
    "echo ready; i=0; while [ $i -lt 20 ]; do sleep 0.05; i=$((i+1)); done; echo end",
  ]);
  await Promise.all([run.line(/ready/), other.line(/ready/)]);
  other.child.kill("SIGTSTP");
  await sleep(300);
  t.is(stateOf(other.child.pid ?? 0), "T");
  other.child.kill("SIGCONT");
  const { status, stdout } = await other.ended;
  t.deepEqual([status, stdout], [0, "ready\nend\n"]);
  t.is((await run.ended).status, 0);
});

function stateOf(pid: number): string {
  return /^\d+ \(.*\) (.)/s.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "";
}

/** Whether a process has descendants. */
function programsBelow(pid: number): boolean {
  return readdirSync(`/proc/${pid}/task`).some(
    (task) => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim() !== "",
  );
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw new TypeError(String(value));
  return Object.fromEntries(Object.entries(value));
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError(String(value));
  return value;
}
