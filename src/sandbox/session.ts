import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { release as kernelRelease } from "node:os";
import type { Gateway, GatewayOptions } from "../egress/gateway.js";
import { loadNative, type Native } from "../native/binding.js";
import { version } from "../package-root.js";
import type { AuditLevel, Policy } from "../policy/policy.js";
import type { CommitResult, OverlayChange, RunResult } from "../result/run-result.js";
import { AuditTrail } from "./audit-trail.js";
import { encodeAuditView } from "./audit-view.js";
import { createCgroup, type Cgroup } from "./cgroup.js";
import { noNetwork } from "./outcome.js";
import { OverlayStorage, clearStaleStorage } from "./overlay-storage.js";
import { Overlays } from "./overlays.js";
import type { PreparedProcess, SandboxPreparation, SandboxRequest } from "./prepare.js";
import { Program, type ProgramOptions } from "./program.js";
import { openGateway, openPorts } from "./gateway.js";
import { newRunId } from "./run-id.js";
import { Sandbox } from "./sandbox.js";
import { describeSystemError } from "./system-error.js";

export interface SessionRequest<Preparation extends SandboxPreparation> {
  readonly policy: Policy;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** What is to be there; `argv` of a sandbox that ends with its program. */
  readonly prepare: (request: SandboxRequest) => Preparation;
  readonly argv?: readonly string[];
  /** Where the audit record goes; without one only refusals are counted. */
  readonly auditFile?: string | undefined;
  /** Keep a record for {@link Session.trail} to be read from, if there is no file. */
  readonly keepRecord?: boolean | undefined;
  /** How an allowed name becomes addresses outside. Default: as the host's programs resolve names. */
  readonly resolve?: GatewayOptions["resolve"];
  /** Told what the egress rules refuse. */
  readonly onDenial?: GatewayOptions["onDenial"];
  readonly egressTimeouts?: GatewayOptions["timeouts"];
  /** Who the programs are told that they are, and what they are shown beside what the policy grants. */
  readonly persona?: SandboxRequest["persona"];
  readonly shown?: SandboxRequest["shown"];
  /** Takes all connections instead of the outside. */
  readonly sinkhole?: GatewayOptions["sinkhole"];
}

/**
 * One sandbox and everything that belongs to it outside: cgroup, record, gateway, overlays' storage. Programs are started in
 * it until {@link close}, which leaves nothing behind; {@link open} neither, where it fails.
 */
export class Session<Preparation extends SandboxPreparation = SandboxPreparation> {
  readonly runId: string;
  readonly preparation: Preparation;
  readonly trail: AuditTrail;
  readonly cgroup: Cgroup | undefined;
  readonly sandbox: Sandbox;
  readonly #native: Native;
  readonly #gateway: Gateway | undefined;
  readonly #overlays: Overlays;
  readonly #release: () => Promise<void>;
  #closed: Promise<void> | undefined;
  #lastProgram = 0;

  private constructor(parts: SessionParts<Preparation>) {
    this.runId = parts.runId;
    this.preparation = parts.preparation;
    this.trail = parts.trail;
    this.cgroup = parts.cgroup;
    this.sandbox = parts.sandbox;
    this.#native = parts.native;
    this.#gateway = parts.gateway;
    this.#overlays = parts.overlays;
    this.#release = parts.release;
  }

  /** Starts a sandbox; programs may be started at once, and `sandbox.ready` tells whether it came up. */
  static async open<Preparation extends SandboxPreparation>(
    request: SessionRequest<Preparation>,
  ): Promise<Session<Preparation>> {
    try {
      return await Session.#open(request);
    } catch (error) {
      throw describeSystemError(error);
    }
  }

  static async #open<Preparation extends SandboxPreparation>(
    request: SessionRequest<Preparation>,
  ): Promise<Session<Preparation>> {
    const native = loadNative();
    const runId = newRunId();
    const trail = AuditTrail.open(native.binding, runId, request.policy.audit, request);
    const storage = new OverlayStorage(runId);
    let sandbox: Sandbox | undefined;
    let cgroup: Cgroup | undefined;
    let overlays: Overlays | undefined;
    let session: Session<Preparation> | undefined;
    const release = async (): Promise<void> => {
      overlays?.close();
      try {
        await sandbox?.close();
        await cgroup?.remove();
        await storage.remove();
      } finally {
        trail.close();
      }
    };
    try {
      sandbox = Sandbox.launch(native, { inCgroup: mayNeedCgroup(request.policy) });
      const preparation = request.prepare({
        policy: request.policy,
        cwd: request.cwd,
        environment: request.environment,
        auditLevel: levelOf(request),
        hidden: hiddenFiles(request),
        makeUpper: await upperMaker(native, request, storage),
        persona: request.persona,
        shown: request.shown,
      });
      cgroup = await openCgroup(runId, preparation);
      overlays = Overlays.open(native.binding, preparation.plan);
      const gateway = await setUp(native, sandbox, request, preparation, cgroup, trail);
      const parts = { runId, preparation, trail, cgroup, native, overlays, sandbox, gateway, release };
      session = new Session(parts);
      if (gateway?.hasPorts === true) await openPorts(sandbox, gateway);
      trail.write("run.start", trail.isKept ? runStart(request, preparation) : {});
      return session;
    } catch (error) {
      await (session === undefined ? release() : session.close());
      throw error;
    }
  }

  /** Connections and bytes of all programs so far. */
  get network(): RunResult["network"] {
    return this.#gateway?.summary() ?? noNetwork;
  }

  /** Throws ERR_USAGE for descriptors that no program should get. */
  start(process: PreparedProcess, options: ProgramOptions): Program {
    const plan = {
      ...process,
      id: ++this.#lastProgram,
      oneshot: options.oneshot,
      terminal: options.terminal?.size,
    };
    return Program.start(this.#native.binding, this.sandbox, this.cgroup, plan, options);
  }

  /** What differs in the overlays from the directories below. A program that is running may be in the middle of something. */
  async changes(): Promise<readonly OverlayChange[]> {
    return await this.#overlays.changes(this.sandbox);
  }

  /** Applies the changes to the host's directories. */
  async commit(): Promise<CommitResult> {
    return await this.#overlays.commit(this.sandbox);
  }

  /** Ends what is inside and waits until what it had sent is delivered. `ofItself`: it has ended without being made to. */
  async stop({ ofItself }: { readonly ofItself: boolean }): Promise<void> {
    await this.sandbox.close();
    await this.#gateway?.end({ ofItself });
  }

  /** Lets go of everything. */
  async close(): Promise<void> {
    this.#closed ??= this.#close();
    await this.#closed;
  }

  async #close(): Promise<void> {
    this.#gateway?.close();
    await this.#release();
  }
}

interface SessionParts<Preparation> {
  readonly runId: string;
  readonly preparation: Preparation;
  readonly trail: AuditTrail;
  readonly cgroup: Cgroup | undefined;
  readonly native: Native;
  readonly overlays: Overlays;
  readonly sandbox: Sandbox;
  readonly gateway: Gateway | undefined;
  readonly release: () => Promise<void>;
}

type AnyRequest = SessionRequest<SandboxPreparation>;

async function upperMaker(
  native: Native,
  { policy, shown = [] }: AnyRequest,
  storage: OverlayStorage,
): Promise<(() => string) | undefined> {
  const overlays = [...policy.filesystem.overlay, ...shown.filter(({ access }) => access === "overlay")];
  if (overlays.length === 0 || native.binding.tmpfsHasUserXattrs()) return undefined;
  await clearStaleStorage();
  return () => storage.create();
}

/** Without a place for the record only refusals are worth the program's time: they are counted in the result. */
function levelOf({ policy, auditFile, keepRecord }: AnyRequest): AuditLevel {
  const isKept = auditFile !== undefined || keepRecord === true;
  return isKept || policy.audit.level === "off" ? policy.audit.level : "denied";
}

/** The record must not be seen by whom it is about, wherever it lies. */
function hiddenFiles({ auditFile }: AnyRequest): readonly string[] {
  return auditFile === undefined ? [] : [realpathSync.native(auditFile)];
}

async function openCgroup(runId: string, { limits }: SandboxPreparation): Promise<Cgroup | undefined> {
  const { memoryBytes, cpus } = limits.cgroup;
  return memoryBytes === undefined && cpus === undefined
    ? undefined
    : createCgroup({ runId, memoryBytes, cpus });
}

/** Where a limit is only wished for, there may be none. */
function mayNeedCgroup({ resources }: Policy): boolean {
  return resources.memory !== undefined || resources.cpus !== undefined;
}

async function setUp(
  native: Native,
  sandbox: Sandbox,
  request: AnyRequest,
  { plan, filter, arch }: SandboxPreparation,
  cgroup: Cgroup | undefined,
  trail: AuditTrail,
): Promise<Gateway | undefined> {
  const gateway = await openGateway(native.binding, plan, request, trail, {
    requestSockets: (family, protocol, count) => {
      sandbox.requestSockets(family, protocol, count);
    },
    onFailure: (error) => {
      sandbox.fail(error);
    },
  });
  const directory = cgroup?.directory;
  try {
    sandbox.setUp({
      plan,
      // On cgroup2 cloning into it saves moving a process, which costs a grace period of the kernel's.
      cgroup: { directory, files: directory === undefined ? (cgroup?.procsFiles ?? []) : [] },
      network: gateway,
      onListener: (program, listener) => {
        trail.supervise({
          listener,
          init: sandbox.pid ?? 0,
          view,
          verdicts: filter.verdicts,
          onHeld: gateway && ((call) => gateway.judge(call)),
          program: request.argv === undefined ? program : 0,
        });
      },
    });
    // While PID 1 sets the sandbox up.
    const view = encodeAuditView(plan);
    if (plan.seccomp.listener) await trail.prepare(arch);
  } catch (error) {
    gateway?.close();
    throw error;
  }
  return gateway;
}

function runStart({ policy, argv = [], cwd }: AnyRequest, { limits, filter }: SandboxPreparation): object {
  return {
    skillbox: version(),
    policy: { name: policy.name, sha256: createHash("sha256").update(JSON.stringify(policy)).digest("hex") },
    argv,
    cwd,
    caller: { uid: process.geteuid?.() },
    host: { kernel: kernelRelease(), arch: process.arch },
    limits: limits.enforced,
    level: policy.audit.level,
    filter: { instructions: filter.instructions },
  };
}
