import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { SkillboxError, type SkillboxErrorCode } from "../errors.js";
import { probeCgroups } from "../host/cgroup-support.js";
import { parseMountinfo } from "../host/mountinfo.js";
import { compile, plannedMounts, type PlannedMount } from "../plan/compile.js";
import { programEnvironment } from "../plan/environment.js";
import { resolveGrants, type ResolvedFilesystem } from "../plan/grants.js";
import { findInterpreter, hostFiles, type Interpreter } from "../plan/interpreter.js";
import type { LaunchPlan, ProcessPlan } from "../plan/launch-plan.js";
import { planLimits, type LimitPlan } from "../plan/limits.js";
import { hostViewDirectories } from "../plan/system-mounts.js";
import { realWorkingDirectory, workingDirectoryGrant } from "../plan/working-directory.js";
import type { AuditLevel, Policy } from "../policy/policy.js";
import { compileFilter, type CompiledFilter } from "../seccomp/filter.js";
import type { Arch } from "../seccomp/syscall-table.js";
import { filterInput, hostArchitecture } from "./filter-input.js";

export interface PrepareRequest {
  readonly policy: Policy;
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** Absolute; links are resolved once, and it is shown read-only inside if nothing else shows it. */
  readonly cwd: string;
  /** The caller's variables; the program gets those that the policy passes. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Makes a directory on disk for an overlay's upper layer; without it they are tmpfs. */
  readonly makeUpper?: (() => string) | undefined;
  /** What goes on record, where that is not what the policy says. */
  readonly auditLevel?: AuditLevel;
  /** Files of skillbox's own, masked wherever a grant would show them. */
  readonly hidden?: readonly string[];
}

/** All that is decided before anything is started; also what `policy explain` shows. */
export interface Preparation {
  readonly plan: LaunchPlan;
  readonly process: Omit<ProcessPlan, "id" | "oneshot">;
  readonly limits: LimitPlan;
  readonly filter: CompiledFilter;
  readonly arch: Arch;
  readonly mounts: readonly PlannedMount[];
  readonly filesystem: ResolvedFilesystem;
  readonly notes: readonly string[];
}

/** Compiles a policy for this host, caller and command. Changes nothing. Throws SkillboxError for what cannot be. */
export function prepare(asked: PrepareRequest): Preparation {
  const request = { ...asked, cwd: realWorkingDirectory(asked.cwd) };
  const { policy, argv, cwd } = request;
  const [argv0] = argv;
  if (argv0 === undefined || argv0 === "") throw new SkillboxError("ERR_USAGE", "no program to run");

  refuseUnsupported(policy);
  const limits = planLimits(policy.resources, probeCgroups);
  const filesystem = hide(withWorkingDirectory(resolveGrants(policy), request), request.hidden ?? []);
  const program = findProgram(argv0, filesystem, request);
  const arch = hostArchitecture();
  const filter = compileFilter(filterInput(policy, arch, request.auditLevel ?? policy.audit.level));
  const plan = compile({
    policy,
    filesystem,
    prefixes: program.prefixes,
    user: insideUser(),
    seccomp: { program: filter.program, listener: filter.notifies },
    mountPoints: parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).map(
      ({ mountPoint }) => mountPoint,
    ),
    uppers: makeUppers(filesystem, request.makeUpper),
  });
  return {
    plan,
    process: {
      args: argv,
      env: programEnvironment(policy.environment, request.environment, program.environmentPath),
      cwd,
      candidates: program.candidates,
      umask: 0o022,
      wallTimeMs: limits.wallTimeMs,
      cpuTimeMs: limits.cpuTimeMs,
      rlimits: limits.rlimits,
    },
    limits,
    filter,
    arch,
    mounts: plannedMounts(program.prefixes, filesystem),
    filesystem,
    notes: program.notes,
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

function withWorkingDirectory(filesystem: ResolvedFilesystem, request: PrepareRequest): ResolvedFilesystem {
  const visible = request.policy.filesystem.root === "host" ? hostViewDirectories() : [];
  const home = request.environment["HOME"] ?? homedir();
  const grant = workingDirectoryGrant(request.cwd, home, filesystem.grants, visible);
  return grant === undefined ? filesystem : { ...filesystem, grants: [...filesystem.grants, grant] };
}

function makeUppers(
  { grants }: ResolvedFilesystem,
  make: (() => string) | undefined,
): ReadonlyMap<string, string> {
  if (make === undefined) return new Map();
  return new Map(grants.filter(({ access }) => access === "overlay").map(({ path }) => [path, make()]));
}

/** What a policy asks for and nobody carries out is an error, not a hope. */
function refuseUnsupported({ network }: Policy): void {
  const udp = network.egress.find(({ ports }) => ports.some(({ protocol }) => protocol === "udp"));
  const [publish] = network.publish;
  const asked = udp ?? publish;
  if (asked === undefined) return;
  const { origin } = asked;
  const place = origin === undefined ? "" : `${origin.file}:${origin.line}:${origin.column}: `;
  throw new SkillboxError(
    "ERR_POLICY",
    `${place}error: this version of skillbox ${udp === undefined ? "does not publish ports" : "relays no UDP but DNS"}`,
    { hint: "take it out of the policy; TCP, DNS and `forward` work" },
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

function findProgram(argv0: string, filesystem: ResolvedFilesystem, request: PrepareRequest): Program {
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
    files: hostFiles,
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
