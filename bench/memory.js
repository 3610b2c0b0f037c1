/** What a sandbox takes beside its program, and how many there can be at once. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { freemem } from "node:os";
import { performance } from "node:perf_hooks";
import { sandbox } from "../dist/src/index.js";

const script = ["sh", "-c", "echo up; exec sleep 600"];

/** Beside the program: this process's growth, and the supervisor's processes. @param {import("./bench.js").Bench} bench */
export async function memory(bench) {
  if (process.geteuid?.() !== 0) {
    // PID 1 is not dumpable, so that its program cannot read it; the memory of such a process is root's to see.
    bench.omit("memory a sandbox", "only root may look at PID 1");
    return;
  }
  const count = bench.quick ? 20 : 100;
  const { measured, before } = await withSandboxes(bench, count, () => ({
    node: pssKiB("self"),
    inits: beside("sleep"),
  }));
  /** @type {Record<string, number[]>} */
  const samples = {
    skillbox: [(measured.node - before + measured.inits) / count],
    "skillbox, PID 1 of it": [measured.inits / count],
  };
  for (const { name, prepare } of bench.peers) {
    const command = prepare(bench.folder, script, { network: false });
    try {
      samples[name] = [(await withPeers(count, command, bench.folder)) / count];
    } catch (error) {
      bench.omit(`memory a sandbox, ${name}`, String(error));
    }
  }
  bench.add({
    what: `memory a sandbox, ${count} at once`,
    unit: "KiB",
    samples,
    base: "bwrap",
    bars: [{ who: "skillbox", of: "value", atMost: 1024 }],
  });
}

/** 500 sandboxes that are all up at the same time. @param {import("./bench.js").Bench} bench */
export async function crowd(bench) {
  const count = 500;
  const what = `${count} sandboxes at once`;
  if (bench.quick) return bench.omit(what, "left out by --quick");
  // Of the programs themselves and the kernel's share, seen generously.
  const neededMiB = count * 8;
  const availableMiB = Math.floor(availableBytes() / 2 ** 20);
  if (availableMiB < neededMiB)
    return bench.omit(what, `${neededMiB} MiB are needed, ${availableMiB} available`);
  const { upMs, downMs } = await withSandboxes(bench, count, () => undefined);
  bench.add({ what, unit: "ms", samples: { "until all are up": [upMs], "until all are gone": [downMs] } });
}

/**
 * @template Measured
 * @param {import("./bench.js").Bench} bench
 * @param {number} count
 * @param {() => Measured} measure while all are up
 */
async function withSandboxes(bench, count, measure) {
  const options = { argv: script, cwd: bench.folder, stdout: /** @type {const} */ ("pipe") };
  // What the first one loads is the library's, not a sandbox's.
  await sandbox({ ...options, argv: ["true"] });
  globalThis.gc?.();
  const before = pssKiB("self");
  const from = performance.now();
  const runs = Array.from({ length: count }, () => sandbox(options));
  await Promise.all(runs.map(async ({ stdout }) => stdout !== undefined && once(stdout, "data")));
  const upMs = performance.now() - from;
  globalThis.gc?.();
  const measured = measure();
  const killed = performance.now();
  for (const run of runs) run.kill("SIGKILL");
  await Promise.all(runs);
  return { before, measured, upMs, downMs: performance.now() - killed };
}

/** @param {number} count @param {() => readonly string[]} command @param {string} cwd */
async function withPeers(count, command, cwd) {
  const children = Array.from({ length: count }, () => {
    const [program = "", ...args] = command();
    return spawn(program, args, { cwd, stdio: ["ignore", "pipe", "ignore"] });
  });
  const exits = children.map((child) => once(child, "exit"));
  const areUp = await Promise.all(
    children.map((child, index) => Promise.race([once(child.stdout, "data").then(() => true), exits[index]])),
  );
  const measured = beside("sleep");
  const programs = descendants(process.pid).filter((pid) => commandOf(pid) === "sleep");
  for (const pid of programs) process.kill(pid, "SIGKILL");
  await Promise.all(exits);
  const up = areUp.filter((isUp) => isUp === true).length;
  if (up < count) throw new Error(`${up} of ${count} came up`);
  return measured;
}

/** KiB of all that descends from this process, but the programs themselves. @param {string} program */
function beside(program) {
  const pids = descendants(process.pid).filter((pid) => commandOf(pid) !== program);
  return pids.reduce((sum, pid) => sum + pssKiB(pid), 0);
}

/** @param {number} pid @returns {number[]} */
function descendants(pid) {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim().split(" "),
  );
  const pids = children.filter((child) => child !== "").map(Number);
  return [...pids, ...pids.flatMap(descendants)];
}

/** @param {number} pid */
function commandOf(pid) {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
}

/** Its share of what it has in common with others included. @param {string | number} pid */
function pssKiB(pid) {
  return Number(/^Pss: *(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}

function availableBytes() {
  const kiB = /^MemAvailable: *(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return kiB === undefined ? freemem() : Number(kiB) * 1024;
}
