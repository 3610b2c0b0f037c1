/**
 * What skillbox costs, beside what others cost for the same work in the same run:
 *
 *     npm run bench [-- --quick] [-- --json FILE]
 *
 * Prints a Markdown table, and which budgets are met. Every figure is a median of interleaved rounds; the machine should have nothing
 * else to do, and the load that it had is told. `npm run bench:peers` installs the Debian packages to compare with.
 */
import { mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { interleaved, installed, median, spawned, timed } from "./measure.js";
import { peers } from "./peers.js";
import { sandbox } from "../dist/src/index.js";

const quick = process.argv.includes("--quick");
const json = process.argv.includes("--json") ? process.argv[process.argv.indexOf("--json") + 1] : undefined;
const rounds = quick ? 7 : 40;
const cli = path.resolve(import.meta.dirname, "../bin/skillbox.js");
const folder = realpathSync(mkdtempSync(path.resolve(import.meta.dirname, "../build/bench-")));

/** @typedef {{ what: string, unit: string, values: Record<string, number> }} Measurement */
/** @typedef {{ what: string, value: number, most: number, unit: string }} Budget */
/** @type {Measurement[]} */
const measurements = [];
/** @type {Budget[]} */
const budgets = [];

try {
  const quiet = loadavg()[0] ?? 0;
  await launch();
  await commandLine();
  await throughput();
  await workloads();
  await memory();
  report(quiet);
} finally {
  rmSync(folder, { recursive: true });
}

/** /bin/true from its start to its end, spawned by node. */
async function launch() {
  const record = path.join(folder, "record");
  const box = await sandbox.create({ cwd: folder });
  const values = await interleaved(rounds, {
    "no sandbox": () => timed(() => spawned(["true"])),
    skillbox: () => timed(() => sandbox({ argv: ["true"], cwd: folder })),
    "skillbox, recorded": () => timed(() => sandbox({ argv: ["true"], cwd: folder, auditFile: record })),
    "skillbox, in a kept sandbox": () => timed(() => box.exec(["true"])),
    ...Object.fromEntries(
      Object.entries(peers).map(([name, wrap]) => [name, () => timed(() => spawned(wrap(["true"]), folder))]),
    ),
  });
  await box[Symbol.asyncDispose]();
  add("run /bin/true", "ms", values);
  const { "bwrap --unshare-all": bwrap, "skillbox, recorded": recorded } = values;
  if (bwrap !== undefined && recorded !== undefined)
    budgets.push({ what: "library run, recorded, to bwrap", value: recorded / bwrap, most: 0.65, unit: "×" });
}

async function commandLine() {
  const policy = path.join(folder, "policy.yaml");
  writeFileSync(policy, "version: 1\nfilesystem: { read: [.] }\n");
  const node = process.execPath;
  const values = await interleaved(quick ? 7 : 25, {
    "node -e 0": () => timed(() => spawned([node, "-e", "0"])),
    "skillbox exec": () => timed(() => spawned([node, cli, "exec", "--", "true"], folder)),
    "skillbox exec --policy": () =>
      timed(() => spawned([node, cli, "exec", "-p", policy, "--", "true"], folder)),
  });
  add("command line, /bin/true", "ms", values);
  const control = values["node -e 0"] ?? NaN;
  budgets.push({
    what: "command line beyond node -e 0",
    value: (values["skillbox exec"] ?? NaN) - control,
    most: 30,
    unit: "ms",
  });
  budgets.push({
    what: "the same with a policy file",
    value: (values["skillbox exec --policy"] ?? NaN) - control,
    most: 60,
    unit: "ms",
  });
}

/** Runs a second, so many at a time. */
async function throughput() {
  for (const atOnce of [1, 2, 8, 64]) {
    const runs = Math.max(quick ? 24 : 120, atOnce);
    const elapsed = await timed(() =>
      inParallel(runs, atOnce, () => sandbox({ argv: ["true"], cwd: folder })),
    );
    add(`runs of /bin/true a second, ${atOnce} at once`, "1/s", { skillbox: (runs / elapsed) * 1000 });
  }
}

/** @param {number} total @param {number} atOnce @param {() => PromiseLike<unknown>} work */
async function inParallel(total, atOnce, work) {
  let left = total;
  const worker = async () => {
    while (left-- > 0) await work();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** With the default audit, recorded, against the same under bwrap with none. */
async function workloads() {
  /** @type {Record<string, readonly string[]>} */
  const works = {
    "python3, 4 imports": ["python3", "-c", "import json, csv, sqlite3, subprocess"],
    "gcc hello.c": ["sh", "-c", "echo 'int main(void) { return 0; }' | gcc -x c -O1 -o /dev/null -"],
    "git init, add, commit": [
      "sh",
      "-c",
      "d=$(mktemp -d) && cd $d && git init -q && echo a >a && git add a && git -c user.name=a -c user.email=a commit -qm a && rm -rf $d",
    ],
  };
  const record = path.join(folder, "record");
  for (const [what, argv] of Object.entries(works)) {
    if (!installed(what.split(/[ ,]/)[0] ?? "")) continue;
    const values = await interleaved(quick ? 3 : 15, {
      "skillbox, recorded": () =>
        timed(async () => {
          const { exitCode } = await sandbox({
            argv,
            cwd: folder,
            auditFile: record,
            stdout: "ignore",
            stderr: "ignore",
          });
          if (exitCode !== 0) throw new Error(`${what}: exit status ${exitCode}`);
        }),
      ...Object.fromEntries(
        Object.entries(peers).map(([name, wrap]) => [name, () => timed(() => spawned(wrap(argv), folder))]),
      ),
    });
    add(what, "ms", values);
    const { "bwrap --unshare-all": bwrap, "skillbox, recorded": recorded } = values;
    if (bwrap !== undefined && recorded !== undefined)
      budgets.push({ what: `${what}, recorded, to bwrap`, value: recorded / bwrap, most: 1.1, unit: "×" });
  }
}

/** Beside the program: this process's growth and PID 1's own share. */
async function memory() {
  const count = quick ? 20 : 500;
  globalThis.gc?.();
  const before = pss("self");
  const started = Array.from({ length: count }, () =>
    sandbox({ argv: ["sleep", "600"], cwd: folder, stdout: "pipe" }),
  );
  await sleep(quick ? 2000 : 15_000);
  const inits = childrenNamed("skillbox-init").map(pss);
  const perSandbox = (pss("self") - before) / count + median(inits);
  for (const run of started) run.kill("SIGKILL");
  await Promise.all(started);
  if (inits.length < count) throw new Error(`${inits.length} of ${count} sandboxes were up`);
  add(`memory a sandbox, ${count} at once`, "KiB", {
    "PID 1 and its share of node": perSandbox,
    "PID 1": median(inits),
  });
  budgets.push({ what: "memory a sandbox", value: perSandbox, most: 1024, unit: "KiB" });
}

/** KiB. @param {string | number} pid */
function pss(pid) {
  return Number(/^Pss: *(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}

/** @param {string} name */
function childrenNamed(name) {
  return readdirSync("/proc/self/task")
    .flatMap((task) => readFileSync(`/proc/self/task/${task}/children`, "utf8").trim().split(" "))
    .filter((pid) => pid !== "" && readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name);
}

/** @param {string} what @param {string} unit @param {Record<string, number>} values */
function add(what, unit, values) {
  measurements.push({ what, unit, values });
}

/** @param {number} load before the first round */
function report(load) {
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? "?"}, Linux ${release()}, node ${process.version}, uid ${process.geteuid?.()}, load ${load.toFixed(1)} before`;
  console.log(
    `${machine}; medians of ${rounds} interleaved rounds\n\n| what | who | value | to the first |\n|---|---|---|---|`,
  );
  for (const { what, unit, values } of measurements) {
    const [first = NaN] = Object.values(values);
    for (const [who, value] of Object.entries(values)) {
      console.log(`| ${what} | ${who} | ${value.toFixed(1)} ${unit} | ${(value / first).toFixed(2)} |`);
    }
  }
  console.log("\n| budget | measured | at most | |\n|---|---|---|---|");
  for (const { what, value, most, unit } of budgets) {
    console.log(
      `| ${what} | ${value.toFixed(2)} ${unit} | ${most} ${unit} | ${value <= most ? "met" : "missed"} |`,
    );
  }
  if (json !== undefined)
    writeFileSync(json, `${JSON.stringify({ machine, rounds, measurements, budgets }, undefined, 2)}\n`);
}
