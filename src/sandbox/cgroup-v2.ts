import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { SkillboxError } from "../errors.js";
import { includesAll, supervisorLeaf, type Placement } from "../host/cgroup-placement.js";
import { controllerOf, type CgroupLimit } from "../host/cgroup-support.js";
import { errnoOf, exists, readCounter, readNumber, readWords, writeValue } from "../host/pseudo-files.js";
import type { CgroupMember } from "./cgroup-directories.js";
import type { CgroupRequest, CgroupStats } from "./cgroup-types.js";

interface V2Creation {
  readonly placement: Placement;
  readonly name: string;
  readonly limits: readonly CgroupLimit[];
  readonly request: CgroupRequest;
}

/** Kernel documentation, admin-guide/cgroup-v2.rst, names the files and the order in which they take effect. */
export function openV2Cgroup({ placement, name, limits, request }: V2Creation): CgroupMember {
  const { base, enableIn } = placement;
  const directory = join(base, name);
  const controllers = limits.map((limit) => controllerOf[limit]);
  prepare(placement, controllers);
  try {
    mkdirSync(directory);
  } catch (error) {
    // The last of other runs took the shared base away between these two steps. It is made anew, and ours is in it.
    if (errnoOf(error) !== "ENOENT") throw error;
    prepare(placement, controllers);
    mkdirSync(directory);
  }
  const sharedBase = enableIn.length > 1 ? base : undefined;
  try {
    const enforces = setLimits(directory, request);
    return { version: 2, directory, sharedBase, enforces, readStats: () => readStats(directory) };
  } catch (error) {
    rmdirSync(directory);
    throw error;
  }
}

/** Makes the base pass the controllers on, top down: a cgroup has only the controllers that its parent passes on. */
function prepare({ base, enableIn, evacuate }: Placement, controllers: readonly string[]): void {
  for (const directory of enableIn) {
    if (directory === base) mkdirSync(directory, { recursive: true });
    const control = join(directory, "cgroup.subtree_control");
    if (includesAll(readWords(control), controllers)) continue;
    if (evacuate && directory === base) moveMembersToLeaf(base);
    const switches = controllers.map((controller) => `+${controller}`).join(" ");
    try {
      writeValue(control, switches);
    } catch (cause) {
      throw new SkillboxError("ERR_LAUNCH", `"${switches}" could not be written to ${control}`, {
        stage: "cgroup",
        operation: "enable controllers",
        errno: errnoOf(cause) ?? "unknown",
        hint: "another program put processes into this cgroup meanwhile, or its parent stopped passing controllers on",
        cause,
      });
    }
  }
}

/** "No internal processes" (cgroups(7)). Read until empty, as the processes in there may be forking. */
function moveMembersToLeaf(base: string): void {
  const leaf = join(base, supervisorLeaf);
  mkdirSync(leaf, { recursive: true });
  for (let round = 0; round < 16; round++) {
    const pids = readWords(join(base, "cgroup.procs")).filter((pid) => pid !== "0");
    if (pids.length === 0) return;
    for (const pid of pids) {
      try {
        writeValue(join(leaf, "cgroup.procs"), pid);
      } catch (error) {
        if (errnoOf(error) !== "ESRCH") throw error;
      }
    }
  }
}

function setLimits(directory: string, request: CgroupRequest): ReadonlyMap<CgroupLimit, string> {
  const enforces = new Map<CgroupLimit, string>();
  const set = (limit: CgroupLimit, file: string, value: string) => {
    writeValue(join(directory, file), value);
    enforces.set(limit, `cgroup2 ${file}`);
  };
  if (request.memoryBytes !== undefined) {
    // Without this the limit only moves memory to swap. The file is missing where the kernel accounts for no swap.
    if (exists(join(directory, "memory.swap.max"))) writeValue(join(directory, "memory.swap.max"), "0");
    // One process of a run killed and the rest left running is neither a result nor a limit (Linux 4.19).
    if (exists(join(directory, "memory.oom.group"))) writeValue(join(directory, "memory.oom.group"), "1");
    set("memory", "memory.max", String(request.memoryBytes));
  }
  if (request.cpus !== undefined) set("cpus", "cpu.max", cpuBandwidth(request.cpus).join(" "));
  if (request.pids !== undefined) set("pids", "pids.max", String(request.pids));
  for (const { device, readBytesPerSecond, writeBytesPerSecond } of request.ioMax ?? []) {
    set("io", "io.max", `${device} rbps=${readBytesPerSecond ?? "max"} wbps=${writeBytesPerSecond ?? "max"}`);
  }
  return enforces;
}

/** Quota and period in µs. The kernel takes a quota from 1 ms on and a period up to 1 s (kernel/sched/core.c). */
export function cpuBandwidth(cpus: number): readonly [quotaUs: number, periodUs: number] {
  const periodUs = cpus < 0.01 ? 1_000_000 : 100_000;
  return [Math.max(1000, Math.round(cpus * periodUs)), periodUs];
}

function readStats(directory: string): Partial<CgroupStats> {
  const cpuStat = join(directory, "cpu.stat");
  return {
    memoryPeakBytes: readNumber(join(directory, "memory.peak")),
    pidsPeak: readNumber(join(directory, "pids.peak")),
    cpuUserMs: inMs(readCounter(cpuStat, "user_usec"), 1e3),
    cpuSystemMs: inMs(readCounter(cpuStat, "system_usec"), 1e3),
    ...counters({
      oomKills: readCounter(join(directory, "memory.events"), "oom_kill"),
      pidsRefused: readCounter(join(directory, "pids.events"), "max"),
    }),
  };
}

function inMs(value: number | undefined, perMs: number): number | undefined {
  return value === undefined ? undefined : value / perMs;
}

/** Leaves out what was not counted, so that counters default to the 0 of the whole. */
function counters(values: {
  oomKills: number | undefined;
  pidsRefused: number | undefined;
}): Partial<CgroupStats> {
  return {
    ...(values.oomKills === undefined ? {} : { oomKills: values.oomKills }),
    ...(values.pidsRefused === undefined ? {} : { pidsRefused: values.pidsRefused }),
  };
}
