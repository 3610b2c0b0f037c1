import { createHash, randomUUID } from "node:crypto";
import { realpathSync } from "node:fs";
import { release } from "node:os";
import { SkillboxError } from "../errors.js";
import type { Gateway, GatewayOptions } from "../egress/gateway.js";
import { loadNative, type Native } from "../native/binding.js";
import type { LaunchPlan } from "../plan/launch-plan.js";
import type { AuditLevel, Policy } from "../policy/policy.js";
import type { RunResult } from "../result/run-result.js";
import { AuditTrail } from "./audit-trail.js";
import { encodeAuditView } from "./audit-view.js";
import { createCgroup, type Cgroup } from "./cgroup.js";
import { Ending } from "./ending.js";
import { noNetwork, runResult, type Ended } from "./outcome.js";
import { OverlayStorage, clearStaleStorage } from "./overlay-storage.js";
import { Overlays } from "./overlays.js";
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
  /** Where the audit record goes; without one only refusals are counted. */
  readonly auditFile?: string | undefined;
  /** Apply what the program changed in its overlays to the host, if it ends with status 0. */
  readonly commit?: boolean | undefined;
  /** How an allowed name becomes addresses outside. Default: as the host's programs resolve names. */
  readonly resolve?: GatewayOptions["resolve"];
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
  const trail = AuditTrail.open(native.binding, runId, request.auditFile, request.policy.audit);
  const storage = new OverlayStorage(runId);
  let cgroup: Cgroup | undefined;
  try {
    const preparation = prepare({
      ...request,
      auditLevel: levelOf(request),
      hidden: hiddenFiles(request),
      makeUpper: await upperMaker(native, request.policy, storage),
    });
    cgroup = await openCgroup(runId, preparation);
    const ending = new Ending();
    const stdio = openStdio(native.binding, {
      ...request.stdio,
      outputBytes: preparation.limits.outputBytes,
      onOutputExceeded: () => {
        ending.begin("output-limit", "output");
      },
    });
    const overlays = Overlays.open(native.binding, preparation.plan);
    const { sandbox, gateway } = await launch(native, request, preparation, cgroup, trail);
    try {
      if (request.policy.network.forward.length > 0) await openForwards(sandbox, gateway);
      trail.write("run.start", runStart(request, preparation));
      const exited = sandbox.exec({ ...preparation.process, id: programId, oneshot: true }, stdio.fds);
      ending.attach(sandbox, programId, request.signal, cgroup);
      request.onStart?.({
        signal: (signal, group) => {
          sandbox.signal(programId, signal, group);
        },
      });
      // Together, since both reject when the set-up fails, and either would be unhandled while the other is waited for.
      const [layers, exit] = await Promise.all([layersOf(sandbox, ending), settle(exited, ending)]);
      stdio.release();
      await stdio.drained();
      const changes = await overlays.changes(sandbox);
      const commit =
        request.commit === true && exit.exitCode === 0 && !ending.hasBegun
          ? await overlays.commit(sandbox)
          : undefined;
      await sandbox.close();
      await gateway?.end({ ofItself: !ending.hasBegun });
      return await finish(trail, {
        preparation,
        cgroup,
        ending,
        layers,
        exit,
        runId,
        changes,
        commit,
        network: gateway?.summary() ?? noNetwork,
      });
    } catch (error) {
      // PID 1 is killed when the record fails: that, and not its death, is what ended the run.
      trail.assertWhole();
      throw error;
    } finally {
      gateway?.close();
      overlays.close();
      stdio.release();
      ending.detach();
      await sandbox.close();
    }
  } finally {
    await cgroup?.remove();
    await storage.remove();
  }
}

/** One program a sandbox, so any number does. */
const programId = 1;

async function upperMaker(
  native: Native,
  policy: Policy,
  storage: OverlayStorage,
): Promise<(() => string) | undefined> {
  if (policy.filesystem.overlay.length === 0 || native.binding.tmpfsHasUserXattrs()) return undefined;
  await clearStaleStorage();
  return () => storage.create();
}

/** Without a place for the record only refusals are worth the program's time: they are counted in the result. */
function levelOf({ policy, auditFile }: RunRequest): AuditLevel {
  return auditFile !== undefined || policy.audit.level === "off" ? policy.audit.level : "denied";
}

/** The record must not be seen by whom it is about, wherever it lies. */
function hiddenFiles({ auditFile }: RunRequest): readonly string[] {
  return auditFile === undefined ? [] : [realpathSync.native(auditFile)];
}

async function openCgroup(runId: string, { limits }: Preparation): Promise<Cgroup | undefined> {
  const { memoryBytes, cpus } = limits.cgroup;
  return memoryBytes === undefined && cpus === undefined
    ? undefined
    : createCgroup({ runId, memoryBytes, cpus });
}

interface Launched {
  readonly sandbox: Sandbox;
  readonly gateway: Gateway | undefined;
}

async function launch(
  native: Native,
  { policy, resolve }: RunRequest,
  { plan, filter, arch }: Preparation,
  cgroup: Cgroup | undefined,
  trail: AuditTrail,
): Promise<Launched> {
  const gateway = await openGateway(plan, {
    binding: native.binding,
    network: policy.network,
    record: (members, denied) => {
      trail.append(members, denied);
    },
    requestSockets: (family, count) => {
      sandbox.requestSockets(family, count);
    },
    ...(resolve === undefined ? {} : { resolve }),
  });
  const directory = cgroup?.directory;
  const sandbox = Sandbox.launch({
    native,
    plan,
    // On cgroup2 cloning into it saves moving a process, which costs a grace period of the kernel's.
    cgroup: { directory, files: directory === undefined ? (cgroup?.procsFiles ?? []) : [] },
    network: gateway,
    onListener: (_process, listener) => {
      trail.supervise({
        listener,
        init: sandbox.pid ?? 0,
        arch,
        view: encodeAuditView(plan),
        verdicts: filter.verdicts,
        onHeld: gateway && ((call) => gateway.judge(call)),
      });
    },
  });
  return { sandbox, gateway };
}

/** The program must find them open. They need sockets that PID 1 makes, which may die instead. */
async function openForwards(sandbox: Sandbox, gateway: Gateway | undefined): Promise<void> {
  await sandbox.ready;
  const gone = sandbox.closed.then(() => {
    throw new SkillboxError("ERR_LAUNCH", "PID 1 of the sandbox ended while its ports were opened", {
      stage: "supervision",
    });
  });
  await Promise.race([gateway?.forward(), gone]);
}

/** Loaded only where there is egress: most of skillbox's code is about it. */
async function openGateway(plan: LaunchPlan, options: GatewayOptions): Promise<Gateway | undefined> {
  if (!plan.egress) return undefined;
  const egress = await import("../egress/gateway.js");
  return new egress.Gateway(options);
}

/** None where the run was ended before PID 1 had confirmed any. */
async function layersOf(sandbox: Sandbox, ending: Ending): Promise<readonly string[]> {
  try {
    return await sandbox.ready;
  } catch (error) {
    if (ending.hasBegun && isCutOff(error)) return [];
    throw error;
  }
}

/** The program's own end, or the end that we or the kernel's memory killer put to it. */
async function settle(exited: Promise<ExitReport>, ending: Ending): Promise<ExitReport> {
  try {
    return await exited;
  } catch (error) {
    // With PID 1 dies its report. A memory limit takes it too; anything else is not ours to explain away.
    if (isCutOff(error) && (ending.hasBegun || ending.foundOutOfMemory())) return killed;
    throw error;
  }
}

/** PID 1 is gone, or says in the middle of its work that we are. */
function isCutOff(error: unknown): boolean {
  return error instanceof SkillboxError && (error.stage === "supervision" || error.errno === "ECONNRESET");
}

function runStart({ policy, argv, cwd }: RunRequest, { limits, filter }: Preparation): object {
  return {
    policy: { name: policy.name, sha256: createHash("sha256").update(JSON.stringify(policy)).digest("hex") },
    argv,
    cwd,
    caller: { uid: process.geteuid?.() },
    host: { kernel: release(), arch: process.arch },
    limits: limits.enforced,
    level: policy.audit.level,
    filter: { instructions: filter.instructions },
  };
}

/** The sandbox is dead: the record can be closed, and the result says what is in it. */
async function finish(trail: AuditTrail, ended: Ended): Promise<RunResult> {
  trail.drain();
  trail.assertWhole();
  const result = runResult(ended);
  const hit = result.limits.find(({ resource }) => resource === result.limit);
  if (hit !== undefined) trail.write("resource.limit", { resource: hit.resource, requested: hit.requested });
  trail.write("run.end", { result: { ...result, audit: undefined, changes: result.changes.length } });
  trail.drain();
  trail.assertWhole();
  return { ...result, audit: await trail.summary() };
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
