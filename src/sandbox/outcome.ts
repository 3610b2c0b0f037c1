import type { LimitName } from "../policy/policy.js";
import type { CommitResult, EnforcedLimit, Outcome, OverlayChange, RunResult } from "../result/run-result.js";
import type { Cgroup } from "./cgroup.js";
import type { Ending } from "./ending.js";
import type { SandboxPreparation } from "./prepare.js";
import type { ExitReport } from "./reports.js";

/** All that is known of a run when everything in its sandbox is dead. */
export interface Ended {
  readonly runId: string;
  readonly preparation: SandboxPreparation;
  readonly cgroup: Cgroup | undefined;
  readonly ending: Ending;
  readonly layers: readonly string[];
  readonly exit: ExitReport;
  readonly changes: readonly OverlayChange[];
  readonly commit: CommitResult | undefined;
  readonly network: RunResult["network"];
}

export const noNetwork = { connections: 0, denied: 0, bytesIn: 0, bytesOut: 0 };

/** The result, but for the record, which is closed after it. */
export function runResult({
  runId,
  preparation,
  cgroup,
  ending,
  layers,
  exit,
  changes,
  commit,
  network,
}: Ended): RunResult {
  const stats = cgroup?.stats();
  return {
    runId,
    ...outcomeOf(ending, exit),
    exitCode: exit.exitCode,
    signal: exit.signal,
    wallTimeMs: exit.wallTimeMs === 0 ? ending.elapsedMs : exit.wallTimeMs,
    cpuTimeMs: {
      user: stats?.cpuUserMs ?? exit.userTimeMs,
      system: stats?.cpuSystemMs ?? exit.systemTimeMs,
    },
    memoryPeakBytes: stats?.memoryPeakBytes ?? (exit.maxRssBytes === 0 ? undefined : exit.maxRssBytes),
    pidsPeak: stats?.pidsPeak,
    limits: preparation.limits.enforced.map((limit) => withCgroupFile(limit, cgroup)),
    layers: [
      ...layers,
      ...(preparation.filter.instructions > 0 ? ["seccomp"] : []),
      ...(cgroup === undefined ? [] : ["cgroup"]),
    ],
    network,
    audit: { events: 0, denied: 0, dropped: 0, file: undefined, sha256: undefined },
    changes,
    ...(commit === undefined ? {} : { commit }),
  };
}

/** The first reason wins: what skillbox decided, then what PID 1's clocks decided, then the program's own end. */
function outcomeOf(ending: Ending, exit: ExitReport): { outcome: Outcome; limit?: LimitName } {
  const begun = ending.reason;
  if (begun !== undefined) return begun;
  if (exit.reason !== "own") return { outcome: "timed-out", limit: exit.reason };
  if (ending.foundOutOfMemory()) return { outcome: "out-of-memory", limit: "memory" };
  return { outcome: exit.signal === undefined ? "exited" : "signaled" };
}

function withCgroupFile(limit: EnforcedLimit, cgroup: Cgroup | undefined): EnforcedLimit {
  if (limit.resource !== "memory" && limit.resource !== "cpus") return limit;
  return { ...limit, enforcedBy: cgroup?.enforcedBy(limit.resource) ?? limit.enforcedBy };
}
