import { readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import test from "ava";
import { z } from "zod";
import { sandbox } from "../../src/index.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { requires } from "../helpers/requires.js";
import { scratch, type Scratch } from "../helpers/scratch.js";
import { program } from "./places.js";

/** stress-ng asks for more than a limit gives, and then for whatever else a kernel has. */
const stressTest = requires(test, "userns", "program:stress-ng");
/** In a cgroup of ours, as root has it on v1 and v2. */
const cgroupTest = requires(test, "userns", "program:stress-ng", "root");

const MiB = 1024 ** 2;

const peaks = z.strictObject({
  threads: z.int(),
  bytes: z.int(),
  openFiles: z.int(),
});

function stress(...args: string[]): string[] {
  return ["stress-ng", "--quiet", "--temp-path", "/tmp", ...args];
}

interface Limits {
  readonly filesystem?: { readonly tmp: string };
  readonly resources: Readonly<Record<string, string | number>>;
}

async function run(box: Scratch, argv: readonly string[], { filesystem, resources }: Limits) {
  const read = [program("under-limits.py")];
  const policy = {
    version: 1 as const,
    filesystem: { ...filesystem, read },
    resources,
    audit: { level: "denied" as const },
  };
  return sandbox({ argv, policy, cwd: box.work });
}

/** What the program took at its peak, as seen from beside it. */
async function measured(box: Scratch, argv: readonly string[], limits: Limits) {
  const beside = ["/usr/bin/python3", program("under-limits.py"), "/tmp", ...argv];
  const { stdout } = await run(box, beside, limits);
  return peaks.parse(JSON.parse(stdout));
}

cgroupTest.serial("memory: sixteen times the limit is asked for, and the limit is had", async (t) => {
  const limits = { resources: { memory: "128MiB", wallTime: "60s" } };
  const result = await run(scratch(t), stress("--vm", "2", "--vm-bytes", "1G", "-t", "10s"), limits);
  const { memoryPeakBytes = 0, outcome } = result;
  t.log(`${outcome}, peak ${Math.round(memoryPeakBytes / MiB)} MiB of 128`);
  t.true(memoryPeakBytes > 100 * MiB && memoryPeakBytes <= 128 * MiB, `${memoryPeakBytes}`);
});

cgroupTest.serial("cpus: four loops have half a processor between them", async (t) => {
  const limits = { resources: { cpus: 0.5, wallTime: "60s" } };
  const { cpuTimeMs, wallTimeMs } = await run(scratch(t), stress("--cpu", "4", "-t", "10s"), limits);
  const share = (cpuTimeMs.user + cpuTimeMs.system) / wallTimeMs;
  t.log(`${share.toFixed(2)} of a processor over ${Math.round(wallTimeMs)} ms`);
  // One period of 100 ms may be begun before it and one after.
  t.true(share < 0.55, `${share}`);
});

stressTest.serial("cpuTime: ends all of them when their sum is spent", async (t) => {
  const limits = { resources: { cpuTime: "2s", wallTime: "60s" } };
  const result = await run(scratch(t), stress("--cpu", "4", "-t", "50s"), limits);
  t.like(result, { outcome: "timed-out", limit: "cpuTime" });
  const spent = result.cpuTimeMs.user + result.cpuTimeMs.system;
  t.log(`${Math.round(spent)} ms of 2000`);
  t.true(spent >= 1900 && spent < 3000, `${spent}`);
});

stressTest.serial("pids: forks, clones and threads stay below the limit", async (t) => {
  const makers = [
    "--fork",
    "4",
    "--fork-max",
    "200",
    "--clone",
    "2",
    "--pthread",
    "2",
    "--pthread-max",
    "100",
  ];
  const limits = { resources: { pids: 48, wallTime: "60s" } };
  const { threads } = await measured(scratch(t), stress(...makers, "-t", "5s"), limits);
  t.log(`${threads} threads of 48`);
  t.true(threads > 30 && threads <= 48, `${threads}`);
});

stressTest.serial("tmp and openFiles: files stay below the limits", async (t) => {
  const writers = [
    "--hdd",
    "1",
    "--hdd-bytes",
    "64M",
    "--fallocate",
    "1",
    "--fallocate-bytes",
    "64M",
    "--open",
    "1",
  ];
  const limits = { filesystem: { tmp: "32MiB" }, resources: { openFiles: 100, wallTime: "60s" } };
  const { bytes, openFiles } = await measured(scratch(t), stress(...writers, "-t", "5s"), limits);
  t.log(`${(bytes / MiB).toFixed(1)} MiB of 32, ${openFiles} files of 100`);
  t.true(bytes > 16 * MiB && bytes <= 32 * MiB, `${bytes}`);
  t.true(openFiles > 50 && openFiles <= 100, `${openFiles}`);
});

/** Each class takes a minute or two. */
const classes = ["filesystem", "interrupt", "memory", "network", "os", "pipe", "scheduler", "vm"];

for (const each of classes) {
  stressTest.serial(`every stressor of the class ${each} leaves the host as it was`, async (t) => {
    t.timeout(900_000);
    const host = snapshotHost();
    const settings = kernelSettings();
    const limits = {
      filesystem: { tmp: "128MiB" },
      resources: { pids: 256, cpuTime: "10m", wallTime: "12m", output: "100MiB" },
    };
    const argv = ["stress-ng", "--temp-path", "/tmp", "--class", each, "--sequential", "1", "-t", "1s"];
    const bounded = [...argv, "--vm-bytes", "64M", "--mmap-bytes", "64M", "--metrics-brief", "--oomable"];
    const result = await run(scratch(t), bounded, limits);
    t.not(result.outcome, "timed-out", result.stderr.slice(-2000));
    const ran = new Set(Array.from(result.stderr.matchAll(/metrc: \[\d+\] (\S+) +\d/g), ([, name]) => name));
    t.log(
      `${ran.size} stressors ran; ${result.audit.denied} calls refused; ${result.outcome} ${result.exitCode ?? ""}`,
    );
    t.true(ran.size > 5, result.stderr.slice(-2000));
    const changed = Object.entries(kernelSettings()).filter(([name, value]) => settings[name] !== value);
    t.deepEqual(changed, []);
    await t.notThrowsAsync(assertUnchanged(host));
  });
}

/** What counts something, and is no setting. */
const counters =
  /^(fs\/(aio-nr|dentry-state|file-nr|inode-nr|inode-state|quota\/.*)|kernel\/(ns_last_pid|pty\/nr|random\/.*|sched_.*))$/;

/** /proc/sys as it can be read. */
function kernelSettings(): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const name of readdirSync("/proc/sys", { recursive: true, encoding: "utf8" })) {
    const file = path.join("/proc/sys", name);
    if (counters.test(name) || !statSync(file).isFile()) continue;
    try {
      settings[name] = readFileSync(file, "utf8");
    } catch {
      // Write-only, or for root.
    }
  }
  return settings;
}
