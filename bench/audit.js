/**
 * What a record costs: node bench/audit.js [ROUNDS]. Every figure is the median of interleaved rounds on a machine with nothing
 * else to do; strace(1) of the same program is the peer.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const rounds = Number(process.argv[2] ?? 5);
const folder = realpathSync(mkdtempSync(path.join(tmpdir(), "bench-audit-")));

/** @param {string} program @param {readonly string[]} argv */
function run(program, ...argv) {
  const { status, stdout, stderr } = spawnSync(program, argv, { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${argv.join(" ")}: ${status} ${stderr}`);
  return { stdout, stderr };
}

/** @param {string} level @param {readonly string[]} argv */
function inside(level, ...argv) {
  const policy = path.join(folder, `${level}.yaml`);
  writeFileSync(
    policy,
    `version: 1\nfilesystem: { read: [.] }\nresources: { wallTime: 10m }\naudit: { level: ${level} }\n`,
  );
  const record = path.join(folder, "record");
  return run(
    process.execPath,
    ...[path.join(root, "bin/skillbox.js"), "exec", "--policy", policy, "--audit", record, "--", ...argv],
  );
}

/** @param {readonly number[]} values */
function median(values) {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** Rounds of all of them in turn. @param {Readonly<Record<string, () => number>>} measures */
function interleaved(measures) {
  /** @type {Record<string, number[]>} */
  const found = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(measures)) (found[name] ??= []).push(measure());
  }
  return Object.fromEntries(Object.entries(found).map(([name, values]) => [name, median(values)]));
}

/** @param {string} name */
function compile(name) {
  const program = path.join(folder, name);
  run("gcc", "-O2", "-pthread", "-o", program, path.join(root, `test/fixtures/probes/${name}.c`));
  return program;
}

/** Microseconds a call, as audit-calls.c prints them. @param {{ stdout: string }} ended */
const perCall = ({ stdout }) => Number(stdout.trim().split(" ")[3]) / 1000;

/** Milliseconds. @param {() => unknown} work */
function timed(work) {
  const from = performance.now();
  work();
  return performance.now() - from;
}

const calls = compile("audit-calls");
const signals = compile("audit-signals");
console.log(`load ${loadavg()[0]?.toFixed(1)}; medians of ${rounds}`);
try {
  for (const kind of ["missing", "read", "write"]) {
    const us = interleaved({
      off: () => perCall(inside("off", calls, kind, "1", "30000")),
      files: () => perCall(inside("files", calls, kind, "1", "30000")),
      outside: () => perCall(run(calls, kind, "1", "30000")),
      strace: () =>
        perCall(run("strace", "-f", "-o", "/dev/null", "-e", "trace=openat", calls, kind, "1", "3000")),
    });
    const { off = NaN, files = NaN, outside = NaN, strace = NaN } = us;
    console.log(
      `openat, ${kind}: ${off.toFixed(1)} µs, recorded ${files.toFixed(1)}: ${(files - off).toFixed(1)} added; ` +
        `strace -f adds ${(strace - outside).toFixed(1)}: ${((strace - outside) / (files - off)).toFixed(1)} times that`,
    );
  }
  const all = interleaved({
    off: () => perCall(inside("off", calls, "getpriority", "1", "30000")),
    all: () => perCall(inside("all", calls, "getpriority", "1", "30000")),
  });
  console.log(`a call without strings: ${((all["all"] ?? NaN) - (all["off"] ?? NaN)).toFixed(1)} µs added`);
  const python = ["/usr/bin/env", "python3", "-c", "import json, csv, sqlite3, subprocess"];
  const ms = interleaved({
    off: () => timed(() => inside("off", ...python)),
    security: () => timed(() => inside("security", ...python)),
    files: () => timed(() => inside("files", ...python)),
    all: () => timed(() => inside("all", ...python)),
  });
  for (const level of ["security", "files", "all"]) {
    console.log(
      `python start, level ${level}: ${((ms[level] ?? NaN) / (ms["off"] ?? NaN)).toFixed(3)} × without`,
    );
  }
  for (const level of ["security", "files"]) {
    const [made, sent, interrupted] = inside(level, signals, "100000", "100").stdout.trim().split(" ");
    console.log(`level ${level}: ${interrupted} of ${made} opens saw EINTR, with ${sent} signals`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
