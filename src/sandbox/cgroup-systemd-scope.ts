import { execFile } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { SkillboxError } from "../errors.js";
import { readCgroupHierarchies } from "../host/cgroup-hierarchies.js";
import { scopePrefix, type Placement } from "../host/cgroup-placement.js";
import { readProcessStat } from "../host/process-stat.js";
import { errnoOf } from "../host/pseudo-files.js";
import type { UserManager } from "../host/user-manager.js";

/**
 * Asks the user's systemd for a delegated transient scope around a process that lies in a login session's cgroup.
 * systemd does the move, because the common ancestor of the session and the user's own tree is root's (cgroups(7)).
 * The scope ends, and its directories go, when the last process in it exits.
 */
export async function enterScope(pid: number, { environment }: UserManager): Promise<Placement> {
  const scope = `${scopePrefix}${pid}-${readProcessStat(pid)?.startTime ?? "0"}.scope`;
  try {
    await promisify(execFile)("busctl", startTransientUnit(scope, pid), {
      env: environment,
      timeout: 10_000,
    });
  } catch (cause) {
    // Two runs of one process may ask at once: the second finds the scope there.
    if (scopeOf(pid, scope) === undefined && !/already exists|was already loaded/i.test(String(cause))) {
      throw scopeRefused(pid, cause);
    }
  }
  // The call returns when the job is queued; the process has moved when its cgroup says so.
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    const base = scopeOf(pid, scope);
    if (base !== undefined) return { base, enableIn: [base], evacuate: true };
    await sleep(1);
  }
  throw scopeRefused(pid, new Error(`process ${pid} did not arrive in ${scope}`));
}

/** org.freedesktop.systemd1(5): StartTransientUnit(name, mode, properties, auxiliary units). */
function startTransientUnit(scope: string, pid: number): readonly string[] {
  const manager = [
    "org.freedesktop.systemd1",
    "/org/freedesktop/systemd1",
    "org.freedesktop.systemd1.Manager",
  ];
  const properties = [
    ["Description", "s", "skillbox sandboxes"],
    ["PIDs", "au", "1", String(pid)],
    ["Delegate", "b", "true"],
    ["CollectMode", "s", "inactive-or-failed"],
  ];
  return [
    ...["--user", "--quiet", "call", ...manager],
    ...["StartTransientUnit", "ssa(sv)a(sa(sv))", scope, "fail", String(properties.length)],
    ...properties.flat(),
    "0",
  ];
}

/** The directory of the scope, once the process is in it or, moved on already by another run, in a leaf of it. */
function scopeOf(pid: number, scope: string): string | undefined {
  const own = readCgroupHierarchies(pid).find(({ version }) => version === 2)?.own ?? "";
  const end = own.indexOf(`/${scope}`);
  return end === -1 ? undefined : own.slice(0, end + 1 + scope.length);
}

function scopeRefused(pid: number, cause: unknown): SkillboxError {
  const missing = errnoOf(cause) === "ENOENT";
  return new SkillboxError(
    "ERR_LIMIT_UNSUPPORTED",
    `systemd gave no scope to process ${pid}: ${String(cause)}`,
    {
      stage: "cgroup",
      operation: "StartTransientUnit",
      hint: missing
        ? "install systemd's busctl, or start skillbox in a cgroup delegated to you"
        : "see what `systemctl --user status` says, or start skillbox from a service with Delegate=yes",
      cause,
    },
  );
}
