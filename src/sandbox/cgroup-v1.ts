import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { CgroupLimit, CgroupRoute } from "../host/cgroup-support.js";
import { errnoOf, exists, readCounter, readNumber, writeValue } from "../host/pseudo-files.js";
import type { CgroupMember } from "./cgroup-directories.js";
import type { CgroupRequest, CgroupStats } from "./cgroup-types.js";
import { cpuBandwidth } from "./cgroup-v2.js";

interface V1Creation {
  readonly route: CgroupRoute["v1"];
  readonly name: string;
  readonly request: CgroupRequest;
}

/** One directory below the caller's own cgroup in each hierarchy, so that the caller's own limits keep holding. */
export function openV1Cgroup({ route, name, request }: V1Creation): readonly CgroupMember[] {
  const members: (CgroupMember & { readonly enforces: Map<CgroupLimit, string> })[] = [];
  try {
    for (const { limit, hierarchy } of route) {
      const directory = join(hierarchy.own, name);
      let member = members.find((existing) => existing.directory === directory);
      if (member === undefined) {
        mkdirSync(directory);
        member = { version: 1, directory, enforces: new Map(), readStats: () => readStats(directory) };
        members.push(member);
      }
      member.enforces.set(limit, setLimit(directory, limit, request));
    }
  } catch (error) {
    for (const { directory } of members) rmdirSync(directory);
    throw error;
  }
  return members;
}

/** Kernel documentation: admin-guide/cgroup-v1/{memory,pids}.rst, scheduler/sched-bwc.rst. */
function setLimit(directory: string, limit: CgroupLimit, request: CgroupRequest): string {
  if (limit === "memory") {
    writeValue(join(directory, "memory.limit_in_bytes"), String(request.memoryBytes));
    // Memory and swap together, never below memory alone: hence second. Missing with swapaccount=0.
    const both = join(directory, "memory.memsw.limit_in_bytes");
    if (exists(both)) writeValue(both, String(request.memoryBytes));
    return "cgroup1 memory.limit_in_bytes";
  }
  if (limit === "pids") {
    writeValue(join(directory, "pids.max"), String(request.pids));
    return "cgroup1 pids.max";
  }
  return setCpuQuota(directory, request.cpus ?? 0);
}

function setCpuQuota(directory: string, cpus: number): string {
  const [quotaUs, periodUs] = cpuBandwidth(cpus);
  writeValue(join(directory, "cpu.cfs_period_us"), String(periodUs));
  try {
    writeValue(join(directory, "cpu.cfs_quota_us"), String(quotaUs));
  } catch (error) {
    // v1 refuses a child more than an ancestor has, where v2 takes the smaller one: the ancestor's holds already.
    if (errnoOf(error) !== "EINVAL") throw error;
    return "cgroup1 cpu.cfs_quota_us of the caller's own cgroup, which allows less";
  }
  return "cgroup1 cpu.cfs_quota_us";
}

function readStats(directory: string): Partial<CgroupStats> {
  const userNs = readNumber(join(directory, "cpuacct.usage_user"));
  const systemNs = readNumber(join(directory, "cpuacct.usage_sys"));
  const oomKills = readCounter(join(directory, "memory.oom_control"), "oom_kill");
  const pidsRefused = readCounter(join(directory, "pids.events"), "max");
  return {
    memoryPeakBytes: readNumber(join(directory, "memory.max_usage_in_bytes")),
    pidsPeak: readNumber(join(directory, "pids.peak")),
    cpuUserMs: userNs === undefined ? undefined : userNs / 1e6,
    cpuSystemMs: systemNs === undefined ? undefined : systemNs / 1e6,
    ...(oomKills === undefined ? {} : { oomKills }),
    ...(pidsRefused === undefined ? {} : { pidsRefused }),
  };
}
