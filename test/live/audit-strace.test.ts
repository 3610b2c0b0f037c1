import { spawnSync } from "node:child_process";
import { mkdirSync, realpathSync, rmSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import type { AuditEvent } from "../../src/audit/event.js";
import { auditSet } from "../../src/seccomp/audit-sets.js";
import { exec } from "../helpers/exec.js";
import { callsOf, readRecord } from "../helpers/record.js";
import { requires } from "../helpers/requires.js";
import { scratch, type Scratch } from "../helpers/scratch.js";
import { pathFrom, strace, type ComparedCall, type Trace } from "../helpers/strace.js";

/**
 * strace(1) of a program outside against the record of the same program inside: the same calls, in the same order in each
 * process. Both get the environment and the directories of the sandbox. What differs for a reason is taken out of both:
 *
 * - the first exec, which is the launcher's in one and strace's in the other
 * - /proc and /sys: the sandbox has its own of the first and none of the second, and programs go by what they find there
 * - fchown: sqlite gives a journal the owner of its database where it runs as root, which it never does inside
 * - names with a part that is random or a time
 */

type Arch = "x64" | "arm64";
const arch: Arch = process.arch === "arm64" ? "arm64" : "x64";

/** Names of what a level notifies. */
function notified(level: "security" | "files"): string[] {
  return [...new Set(auditSet(level, arch).notify.flatMap(({ names }) => names))];
}

/** Not compared: see above; and what a level takes with certain arguments only, which the tables of test/seccomp are about. */
const left = new Set(["fchown", "sendto", "prctl", "personality", "seccomp"]);
const changing = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"];

interface Comparison {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** Fills the working directory; run before each of the two. */
  readonly prepare?: (box: Scratch) => void;
  /** Without threads a process's calls have an order; else the sums are compared. */
  readonly ordered: boolean;
  readonly preset?: string;
}

async function compare(t: ExecutionContext, { argv, environment, prepare, ordered, preset }: Comparison) {
  const box = scratch(t);
  const set = { ...environment, HOME: box.at("work/home"), npm_config_cache: box.at("work/cache") };
  const renew = (): void => {
    rmSync(box.work, { recursive: true });
    mkdirSync(box.at("work/home"), { recursive: true });
    prepare?.(box);
  };
  const policy = (level: string): string =>
    [
      "version: 1",
      ...(preset === undefined ? [] : [`extends: ${preset}`]),
      `filesystem: { write: [${JSON.stringify(box.work)}] }`,
      `environment: { set: ${JSON.stringify(set)} }`,
      `audit: { level: ${level} }`,
    ].join("\n");
  renew();
  const { stdout } = await exec(box, ["env", "-0"], { policy: policy("off") });
  const inside = Object.fromEntries(
    stdout
      .split("\0")
      .filter((line) => line !== "")
      .map((line): [string, string] => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
  );
  renew();
  const outside = strace({
    argv,
    calls: notified("files"),
    cwd: box.work,
    environment: inside,
    folder: box.at("strace"),
  });
  for (const level of ["files", "security"] as const) {
    renew();
    const record = box.at(`record-${level}`);
    const ended = await exec(box, argv, { policy: policy(level), options: ["--audit", record] });
    t.is(ended.status, 0, ended.stderr);
    const events = readRecord(t, record);
    const expected = shown(outside, level, ordered);
    t.deepEqual(shown(recorded(events), level, ordered), expected);
    t.log(`${level}: ${expected.flat().length} calls of ${expected.length} processes are the same`);
    t.true(expected.flat().length > 3);
  }
}

/** Calls that take a path and no directory. */
const takesDirectory =
  /^(open|unlink|rename|link|symlink|mkdir|mknod|fchmod|fchown|faccess|futimes|utimens|execve)at2?$/;

function recorded(events: readonly AuditEvent[]): Trace {
  const trace = new Map<number, ComparedCall[]>();
  for (const event of callsOf(events)) {
    if (!("verdict" in event) || event.verdict === "deny") continue;
    const task = ("tid" in event ? event.tid : undefined) ?? event.pid ?? 0;
    const { args = {} } = event;
    const call = String(event.syscall);
    const flags = args["flags"] ?? args["type"];
    const argv = args["argv"];
    const calls = trace.get(task) ?? [];
    trace.set(task, calls);
    calls.push({
      name: call,
      paths: ["path", "oldpath", "newpath", "linkpath"].flatMap((name) => {
        const given = args[name === "path" ? "given" : `${name}.given`];
        const value = takesDirectory.test(call) ? args[name] : (given ?? args[name]);
        return typeof value === "string" ? [pathFrom(undefined, value)] : [];
      }),
      flags: Array.isArray(flags) ? flags.map((flag) => (typeof flag === "object" ? "?" : `${flag}`)) : [],
      argv: Array.isArray(argv)
        ? argv.map((text) => (typeof text === "object" ? "?" : `${text}`))
        : undefined,
    });
  }
  return new Map([...trace].sort(([a], [b]) => a - b));
}

/** What is compared, a line a call: by process, or all of them sorted. */
function shown(trace: Trace, level: "security" | "files", ordered: boolean): string[][] {
  const names = new Set(notified(level));
  const processes = [...trace.values()].map((calls, index) =>
    calls
      .slice(index === 0 ? 1 : 0)
      .filter((call) => names.has(call.name) && !left.has(call.name) && isCompared(call, level))
      .map(({ name, paths, flags, argv }) =>
        [name, ...paths, [...flags].sort().join("|"), argv === undefined ? "" : JSON.stringify(argv)]
          .map(withoutChance)
          .join(" ")
          .trim(),
      ),
  );
  const busy = processes.filter((lines) => lines.length > 0);
  return ordered ? busy : [busy.flat().sort()];
}

function isCompared({ name, paths, flags }: ComparedCall, level: "security" | "files"): boolean {
  if (paths.some((path) => /^\/(proc|sys)(\/|$)/.test(path))) return false;
  const opens = name === "open" || name === "openat";
  return level === "files" || !opens || flags.some((flag) => changing.includes(flag));
}

function withoutChance(text: string): string {
  return text
    .replaceAll(/\.git\/t\w{6}(?=[ "]|$)/g, ".git/tX")
    .replaceAll(/(tmp_(?:obj|pack|idx)_)\w{6}/g, "$1X")
    .replaceAll(/\/[0-9a-f]{2}\/[0-9a-f]{38}\b/g, "/object")
    .replaceAll(/\/objects\/[0-9a-f]{2}\b/g, "/objects/XX")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d_\d\d_\d\d_\d{3}Z/g, "TIME")
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "UUID")
    .replaceAll(/\b[0-9a-f]{8}\b/g, "HASH");
}

const straceTest = (...programs: `program:${string}`[]) =>
  requires(test, "userns", "program:strace", ...programs);

straceTest("program:python3").serial("python3: imports, directories, files, renames, a child", async (t) => {
  // A shim of pyenv's is a shell script, which is not what is to be compared.
  const found = spawnSync("python3", ["-c", "import sys; print(sys.executable)"], { encoding: "utf8" });
  const python = realpathSync(found.stdout.trim());
  const script = [
    "import csv, decimal, json, os, sqlite3, subprocess",
    "os.makedirs('a/b/c')",
    "json.dump([1], open('a/one.json', 'w'))",
    "open('a/one.json', 'a').write('x'); open('a/log', 'x').close()",
    "os.rename('a/one.json', 'a/b/two.json'); os.link('a/log', 'a/log2'); os.symlink('a/log', 'here')",
    "os.chmod('a/log', 0o600); os.truncate('a/log', 10); os.utime('a/log', (1, 1))",
    "directory = os.open('a', os.O_RDONLY | os.O_DIRECTORY)",
    "os.mkdir('d', dir_fd=directory); os.rmdir('d', dir_fd=directory); os.unlink('log2', dir_fd=directory)",
    "os.rename('log', 'log3', src_dir_fd=directory, dst_dir_fd=directory)",
    "db = sqlite3.connect('a/db'); db.execute('create table t (x)'); db.commit(); db.close()",
    "subprocess.run(['/bin/sh', '-c', 'cat a/log3 >a/copy; rm a/copy'], check=True)",
  ].join("\n");
  await compare(t, {
    argv: [python, "-c", script],
    environment: { PYTHONDONTWRITEBYTECODE: "1", PYTHONHASHSEED: "1" },
    ordered: true,
  });
});

straceTest("program:git").serial("git: init, add, commit, clone", async (t) => {
  const when = "2026-01-01T00:00:00Z";
  const script = [
    "set -e",
    "git init -q -b main origin && cd origin",
    "seq 1000 >numbers && git add numbers && git commit -q -m first",
    "cd .. && git clone -q --no-hardlinks origin clone && cat clone/numbers | tail -n 1",
  ].join("\n");
  await compare(t, {
    argv: ["/bin/sh", "-c", script],
    environment: {
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_CONFIG_COUNT: "2",
      GIT_CONFIG_KEY_0: "pack.threads",
      GIT_CONFIG_VALUE_0: "1",
      GIT_CONFIG_KEY_1: "gc.auto",
      GIT_CONFIG_VALUE_1: "0",
      ...Object.fromEntries(
        ["AUTHOR", "COMMITTER"].flatMap((who) => [
          [`GIT_${who}_NAME`, "n"],
          [`GIT_${who}_EMAIL`, "n@example.org"],
          [`GIT_${who}_DATE`, when],
        ]),
      ),
    },
    ordered: true,
  });
});

straceTest("program:npm").serial("npm: pack", async (t) => {
  await compare(t, {
    argv: ["npm", "pack", "--silent", "--offline"],
    environment: { npm_config_update_notifier: "false", npm_config_logs_max: "0" },
    prepare: (box) => {
      box.file("work/package.json", JSON.stringify({ name: "left", version: "1.0.0" }));
      box.file("work/index.js", "module.exports = 7;\n");
    },
    ordered: false,
    preset: "node",
  });
});
