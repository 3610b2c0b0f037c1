import { randomUUID } from "node:crypto";
import { SkillboxError } from "../errors.js";
import { loadNative, type Native } from "../native/binding.js";
import type { LimitName, Policy } from "../policy/policy.js";
import type { EnforcedLimit, Outcome, RunResult } from "../result/run-result.js";
import { createCgroup, type Cgroup } from "./cgroup.js";
import { Ending } from "./ending.js";
import { prepare, type Preparation } from "./prepare.js";
import type { ExitReport } from "./reports.js";
import { Sandbox } from "./sandbox.js";
import { openStdio, type StdioRequest } from "./stdio.js";

export interface RunRequest {
  readonly policy: Policy;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly stdio: Omit<StdioRequest, "outputBytes" | "onOutputExceeded">;
  /** Ends the run with outcome "killed". */
  readonly signal?: AbortSignal | undefined;
  /** Called when the program may be signalled. */
  readonly onStart?: (run: RunningProgram) => void;
}

export interface RunningProgram {
  /** To the program, or to its whole process group as a terminal does. */
  signal(signal: NodeJS.Signals, group: boolean): void;
}

/**
 * Runs one program in a sandbox of its own, from policy to result. What the program does is the result; what keeps the
 * sandbox from doing its work is a SkillboxError. Nothing of the run is left when the promise settles.
 */
export async function run(request: RunRequest): Promise<RunResult> {
  const native = loadNative();
  const runId = randomUUID();
  const preparation = prepare(request);
  const cgroup = await openCgroup(runId, preparation);
  try {
    const ending = new Ending();
    const stdio = openStdio(native.binding, {
      ...request.stdio,
      outputBytes: preparation.limits.outputBytes,
      onOutputExceeded: () => {
        ending.begin("output-limit", "output");
      },
    });
    const sandbox = launch(native, preparation, cgroup);
    try {
      const exited = sandbox.exec({ ...preparation.process, id: programId, oneshot: true }, stdio.fds);
      ending.attach(sandbox, programId, request.signal, cgroup);
      request.onStart?.({
        signal: (signal, group) => {
          sandbox.signal(programId, signal, group);
        },
      });
      const layers = await sandbox.ready;
      const exit = await settle(exited, ending);
      stdio.release();
      await stdio.drained();
      return runResult({ runId, preparation, cgroup, ending, layers, exit });
    } finally {
      stdio.release();
      ending.detach();
      await sandbox.close();
    }
  } finally {
    await cgroup?.remove();
  }
}

/** One program a sandbox, so any number does. */
const programId = 1;

async function openCgroup(runId: string, { limits }: Preparation): Promise<Cgroup | undefined> {
  const { memoryBytes, cpus } = limits.cgroup;
  return memoryBytes === undefined && cpus === undefined ? undefined : createCgroup({ runId, memoryBytes, cpus });
}

function launch(native: Native, { plan }: Preparation, cgroup: Cgroup | undefined): Sandbox {
  const directory = cgroup?.directory;
  return Sandbox.launch({
    native,
    plan,
    // On cgroup2 cloning into it saves moving a process, which costs a grace period of the kernel's.
    cgroup: { directory, files: directory === undefined ? (cgroup?.procsFiles ?? []) : [] },
    onListener: undefined,
  });
}

/** The program's own end, or the end that we or the kernel's memory killer put to it. */
async function settle(exited: Promise<ExitReport>, ending: Ending): Promise<ExitReport> {
  try {
    return await exited;
  } catch (error) {
    const gone = error instanceof SkillboxError && error.stage === "supervision";
    // With PID 1 dies its report. A memory limit takes it too; anything else is not ours to explain away.
    if (gone && (ending.hasBegun || ending.foundOutOfMemory())) return killed;
    throw error;
  }
}

const killed: ExitReport = {
  process: programId,
  exitCode: undefined,
  signal: "SIGKILL",
  reason: "own",
  wallTimeMs: 0,
  userTimeMs: 0,
  systemTimeMs: 0,
  maxRssBytes: 0,
};

interface Ended {
  readonly runId: string;
  readonly preparation: Preparation;
  readonly cgroup: Cgroup | undefined;
  readonly ending: Ending;
  readonly layers: readonly string[];
  readonly exit: ExitReport;
}

function runResult({ runId, preparation, cgroup, ending, layers, exit }: Ended): RunResult {
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
    layers: [...layers, ...(preparation.filter.instructions > 0 ? ["seccomp"] : []), ...(cgroup === undefined ? [] : ["cgroup"])],
    network: { connections: 0, denied: 0, bytesIn: 0, bytesOut: 0 },
    audit: { events: 0, denied: 0, dropped: 0, file: undefined, sha256: undefined },
    changes: [],
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
