import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { SkillboxError, type SkillboxErrorCode } from "../errors.js";
import { probeCgroups } from "../host/cgroup-support.js";
import { parseMountinfo } from "../host/mountinfo.js";
import { requireReadableMemory } from "../host/readable-memory.js";
import { compile, plannedMounts, type PlannedMount } from "../plan/compile.js";
import { programEnvironment } from "../plan/environment.js";
import { resolveGrants, type ResolvedFilesystem } from "../plan/grants.js";
import { findInterpreter, hostFiles, withoutNested, type Interpreter } from "../plan/interpreter.js";
import type { LaunchPlan, ProcessPlan } from "../plan/launch-plan.js";
import { insidePath, type Persona, sandboxPersona, type ShownDirectory } from "../plan/persona.js";
import { planLimits, type LimitPlan } from "../plan/limits.js";
import { hostViewDirectories } from "../plan/system-mounts.js";
import { realWorkingDirectory, workingDirectoryGrant } from "../plan/working-directory.js";
import { pathContains } from "../policy/paths.js";
import type { AuditLevel, Policy } from "../policy/policy.js";
import type { CompiledFilter } from "../seccomp/filter.js";
import type { Arch } from "../seccomp/syscall-table.js";
import { hostArchitecture, policyFilter } from "./filter-input.js";

export interface SandboxRequest {
  readonly policy: Policy;
  /** Absolute; links are resolved once, and it is shown read-only inside if nothing else shows it. */
  readonly cwd: string;
  /** The caller's variables; a program gets those that the policy passes. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Makes a directory on disk for an overlay's upper layer; without it they are tmpfs. */
  readonly makeUpper?: (() => string) | undefined;
  /** What goes on record, where that is not what the policy says. */
  readonly auditLevel?: AuditLevel;
  /** Files of skillbox's own, masked wherever a grant would show them. */
  readonly hidden?: readonly string[];
  /** Default: the sandbox's own. */
  readonly persona?: Persona | undefined;
  /** Beside what the policy grants. A working directory among them is the one that it is shown as. */
  readonly shown?: readonly ShownDirectory[] | undefined;
}

export interface PrepareRequest extends SandboxRequest {
  /** The program and its arguments. */
  readonly argv: readonly string[];
}

/** All that is decided before a sandbox is started. */
export interface SandboxPreparation {
  readonly plan: LaunchPlan;
  readonly limits: LimitPlan;
  readonly filter: CompiledFilter;
  readonly arch: Arch;
  /** Real path of where programs start. */
  readonly cwd: string;
  readonly mounts: readonly PlannedMount[];
  readonly filesystem: ResolvedFilesystem;
  /** Directories that the named programs add to PATH. */
  readonly environmentPath: readonly string[];
  readonly notes: readonly string[];
}

export type PreparedProcess = Omit<ProcessPlan, "id" | "oneshot" | "terminal">;

/** All that is decided before one program is started in a sandbox of its own; also what `policy explain` shows. */
export interface Preparation extends SandboxPreparation {
  readonly process: PreparedProcess;
}

/** Compiles a policy for this host, caller and command. Changes nothing. Throws SkillboxError for what cannot be. */
export function prepare(request: PrepareRequest): Preparation {
  const cwd = realWorkingDirectory(request.cwd);
  const filesystem = filesystemOf({ ...request, cwd });
  const program = findProgram(argv0Of(request.argv), filesystem, { ...request, cwd });
  const sandbox = compileSandbox(request, cwd, filesystem, [program]);
  return { ...sandbox, process: processOf(sandbox, { ...request, cwd }, program) };
}

/**
 * Compiles a policy for this host and caller, for programs that are not known yet. `programs` are those among them, by name
 * or path, whose installations lie outside the system's directories and have to be shown.
 */
export function prepareSandbox(request: SandboxRequest, programs: readonly string[]): SandboxPreparation {
  const cwd = realWorkingDirectory(request.cwd);
  const filesystem = filesystemOf({ ...request, cwd });
  const found = programs.map((name) => findProgram(name, filesystem, { ...request, cwd }));
  return compileSandbox(request, cwd, filesystem, found);
}

/** What a program needs to be started in a sandbox that is there. Throws ERR_NOT_FOUND for one that it does not show. */
export function prepareProcess(
  sandbox: SandboxPreparation,
  request: Pick<PrepareRequest, "policy" | "argv" | "environment" | "cwd">,
): PreparedProcess {
  const argv0 = argv0Of(request.argv);
  const program = findProgram(argv0, sandbox.filesystem, request);
  const missing = program.prefixes.find(
    ({ target }) => !sandbox.mounts.some((mount) => pathContains(mount.target, target)),
  );
  if (missing !== undefined) {
    throw new SkillboxError(
      "ERR_NOT_FOUND",
      `${argv0} needs ${missing.target}, which the sandbox does not show`,
      {
        stage: "program",
        hint: `name it when the sandbox is made: programs: [${JSON.stringify(argv0)}]`,
      },
    );
  }
  return processOf(sandbox, request, program);
}

function argv0Of([argv0]: readonly string[]): string {
  if (argv0 === undefined || argv0 === "") throw new SkillboxError("ERR_USAGE", "no program to run");
  return argv0;
}

function filesystemOf(request: SandboxRequest): ResolvedFilesystem {
  return hide(withWorkingDirectory(resolveGrants(request.policy), request), request.hidden ?? []);
}

function compileSandbox(
  request: SandboxRequest,
  cwd: string,
  filesystem: ResolvedFilesystem,
  programs: readonly Program[],
): SandboxPreparation {
  const { policy, auditLevel, makeUpper, persona, shown = [] } = request;
  const limits = planLimits(policy.resources, probeCgroups);
  const arch = hostArchitecture();
  const filter = policyFilter(policy, arch, auditLevel ?? policy.audit.level);
  const prefixes = withoutNested(programs.flatMap((program) => program.prefixes));
  const mounts = plannedMounts(prefixes, filesystem, shown);
  const plan = compile({
    policy,
    filesystem,
    prefixes,
    user: insideUser(),
    persona,
    shown,
    seccomp: { program: filter.program, listener: filter.notifies },
    mountPoints: parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).map(
      ({ mountPoint }) => mountPoint,
    ),
    uppers: makeUppers(mounts, makeUpper),
  });
  if (plan.egress) requireReadableMemory();
  return {
    plan,
    limits,
    filter,
    arch,
    cwd,
    mounts,
    filesystem,
    environmentPath: programs.flatMap(({ environmentPath }) => environmentPath),
    notes: [...new Set(programs.flatMap(({ notes }) => notes))],
  };
}

function processOf(
  { limits, environmentPath }: SandboxPreparation,
  request: Pick<PrepareRequest, "policy" | "argv" | "environment" | "cwd" | "persona" | "shown">,
  program: Program,
): PreparedProcess {
  const { policy, argv, environment, cwd, persona = sandboxPersona, shown = [] } = request;
  const searchPath = [...new Set([...program.environmentPath, ...environmentPath])];
  return {
    args: argv,
    env: programEnvironment(policy.environment, persona, policy.network.proxyPort, environment, searchPath),
    cwd: insidePath(cwd, shown),
    candidates: program.candidates,
    umask: 0o022,
    wallTimeMs: limits.wallTimeMs,
    cpuTimeMs: limits.cpuTimeMs,
    rlimits: limits.rlimits,
  };
}

/**
 * An ordinary caller is itself inside. A root caller's program is an ordinary user, as whom programs behave best without
 * capabilities: tar does not try to chown, nothing believes that it may do everything.
 */
function insideUser(): { readonly uid: number; readonly gid: number } {
  const uid = process.geteuid?.() ?? 0;
  return uid === 0 ? { uid: 1000, gid: 1000 } : { uid, gid: process.getegid?.() ?? 0 };
}

function withWorkingDirectory(filesystem: ResolvedFilesystem, request: SandboxRequest): ResolvedFilesystem {
  const visible = request.policy.filesystem.root === "host" ? hostViewDirectories() : [];
  const home = request.environment["HOME"] ?? homedir();
  if (request.shown?.some(({ source }) => source === request.cwd) === true) return filesystem;
  const grant = workingDirectoryGrant(request.cwd, home, filesystem.grants, visible);
  return grant === undefined ? filesystem : { ...filesystem, grants: [...filesystem.grants, grant] };
}

function makeUppers(
  directories: readonly Pick<PlannedMount, "access" | "source">[],
  make: (() => string) | undefined,
): ReadonlyMap<string, string> {
  if (make === undefined) return new Map();
  return new Map(
    directories.filter(({ access }) => access === "overlay").map(({ source }) => [source, make()]),
  );
}

function hide(filesystem: ResolvedFilesystem, hidden: readonly string[]): ResolvedFilesystem {
  return {
    ...filesystem,
    denials: [...filesystem.denials, ...hidden.map((path) => ({ path, origin: undefined }))],
  };
}

interface Program extends Pick<Interpreter, "prefixes" | "environmentPath" | "notes"> {
  readonly candidates: readonly string[];
}

const standardPath = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

function findProgram(
  argv0: string,
  filesystem: ResolvedFilesystem,
  request: Pick<SandboxRequest, "policy" | "cwd" | "environment">,
): Program {
  if (request.policy.filesystem.root !== "host") {
    // Another root has its own programs: PID 1 looks for them there.
    const candidates = argv0.includes("/")
      ? [resolve(request.cwd, argv0)]
      : standardPath.map((directory) => `${directory}/${argv0}`);
    return { prefixes: [], environmentPath: standardPath, notes: [], candidates };
  }
  const found = findInterpreter({
    argv0,
    path: request.environment["PATH"] ?? standardPath.join(":"),
    cwd: request.cwd,
    home: request.environment["HOME"] ?? homedir(),
    environment: request.environment,
    view: hostViewDirectories(),
    grants: filesystem.grants.map(({ path }) => path),
    files: hostFiles(),
  });
  if ("problem" in found) {
    throw new SkillboxError(problemCodes[found.problem], found.message, {
      stage: "program",
      hint: found.hint,
    });
  }
  return { ...found, candidates: [found.program] };
}

const problemCodes = {
  "not-found": "ERR_NOT_FOUND",
  "not-executable": "ERR_NOT_EXECUTABLE",
  "prefix-not-recognised": "ERR_GRANT",
} as const satisfies Record<string, SkillboxErrorCode>;
