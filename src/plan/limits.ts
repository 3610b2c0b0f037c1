import { SkillboxError } from "../errors.js";
import type { CgroupSupport } from "../host/cgroup-support.js";
import type { Limit, LimitName, ResourcePolicy } from "../policy/policy.js";
import { limitNames } from "../policy/policy.js";
import type { EnforcedLimit } from "../result/run-result.js";
import type { Rlimit, RlimitName } from "./launch-plan.js";

/** Who enforces what the policy asks for, on this host and for this caller. */
export interface LimitPlan {
  /** What needs a cgroup; empty: none is made. */
  readonly cgroup: {
    readonly memoryBytes?: number;
    readonly cpus?: number;
  };
  readonly rlimits: readonly Rlimit[];
  readonly wallTimeMs: number | undefined;
  readonly cpuTimeMs: number | undefined;
  readonly outputBytes: number | undefined;
  /** In the order of the policy's schema; cgroup files are named by the cgroup itself once it is there. */
  readonly enforced: readonly EnforcedLimit[];
}

/** Throws ERR_LIMIT_UNSUPPORTED for a limit that cannot be kept here and is not marked `bestEffort`. */
export function planLimits(resources: ResourcePolicy, probe: () => CgroupSupport): LimitPlan {
  const memory = resources.memory === undefined ? undefined : cgroupLimit("memory", resources.memory, probe);
  const cpus = resources.cpus === undefined ? undefined : cgroupLimit("cpus", resources.cpus, probe);
  const mechanisms: Record<LimitName, string> = {
    memory: memory?.enforcedBy ?? "rlimit RLIMIT_DATA, per process (best effort)",
    cpus: cpus?.enforcedBy ?? "none (best effort)",
    pids: "rlimit RLIMIT_NPROC, per sandbox",
    wallTime: "PID 1 of the sandbox",
    cpuTime: "PID 1 of the sandbox, over all processes",
    openFiles: "rlimit RLIMIT_NOFILE, per process",
    fileSize: "rlimit RLIMIT_FSIZE, per file",
    output: "skillbox",
    connections: "skillbox, which relays them",
    traffic: "skillbox, which relays it",
  };
  return {
    cgroup: {
      ...(memory?.value === undefined ? {} : { memoryBytes: memory.value }),
      ...(cpus?.value === undefined ? {} : { cpus: cpus.value }),
    },
    rlimits: rlimits(resources, resources.memory !== undefined && memory?.value === undefined),
    wallTimeMs: resources.wallTime?.value,
    cpuTimeMs: resources.cpuTime?.value,
    outputBytes: resources.output?.value,
    enforced: limitNames.flatMap((resource) => {
      const limit = resources[resource];
      return limit === undefined
        ? []
        : [{ resource, requested: limit.written, enforcedBy: mechanisms[resource] }];
    }),
  };
}

interface CgroupLimitPlan {
  /** Undefined: not available here, and the policy can live with that. */
  readonly value: number | undefined;
  readonly enforcedBy: string | undefined;
}

function cgroupLimit(name: "memory" | "cpus", limit: Limit, probe: () => CgroupSupport): CgroupLimitPlan {
  const support = probe()[name];
  if (support.available) {
    return { value: limit.value, enforcedBy: `cgroup${support.version === 1 ? " v1" : " v2"}` };
  }
  if (limit.bestEffort) return { value: undefined, enforcedBy: undefined };
  const place =
    limit.origin === undefined ? "" : `${limit.origin.file}:${limit.origin.line}:${limit.origin.column}: `;
  throw new SkillboxError(
    "ERR_LIMIT_UNSUPPORTED",
    `${place}resources.${name}: ${limit.written} cannot be enforced here: ${support.reason}`,
    {
      stage: "limits",
      hint: `${support.hint}; or add \`bestEffort: [${name}]\` under resources to go on without`,
    },
  );
}

function rlimits(resources: ResourcePolicy, memoryByRlimit: boolean): readonly Rlimit[] {
  const fixed = (type: RlimitName, value: number): Rlimit => ({
    type,
    soft: BigInt(Math.ceil(value)),
    hard: BigInt(Math.ceil(value)),
  });
  return [
    // 1 is the value with which the kernel does not even call a core handler on the host's side (core(5)).
    fixed("RLIMIT_CORE", 1),
    fixed("RLIMIT_RTPRIO", 0),
    fixed("RLIMIT_NICE", 0),
    // Both are counted for the caller as well, whose other programs go without when all is spent (ucounts): as many queued signals
    // and timers as a large program has, and three message queues of the usual size.
    fixed("RLIMIT_SIGPENDING", 4096),
    fixed("RLIMIT_MSGQUEUE", 256 * 1024),
    ...(resources.pids === undefined ? [] : [fixed("RLIMIT_NPROC", resources.pids.value + 1)]), // and PID 1
    ...(resources.openFiles === undefined ? [] : [fixed("RLIMIT_NOFILE", resources.openFiles.value)]),
    ...(resources.fileSize === undefined ? [] : [fixed("RLIMIT_FSIZE", resources.fileSize.value)]),
    ...(memoryByRlimit && resources.memory !== undefined
      ? [fixed("RLIMIT_DATA", resources.memory.value)]
      : []),
  ];
}
