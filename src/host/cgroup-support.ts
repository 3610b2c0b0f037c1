import { join } from "node:path";
import { readCgroupHierarchies, type CgroupHierarchy } from "./cgroup-hierarchies.js";
import { placeBelow, type Placement } from "./cgroup-placement.js";
import { isWritable, readWords } from "./pseudo-files.js";
import { findUserManager, type UserManager } from "./user-manager.js";

/** What a cgroup can limit, by the policy's names. */
export const cgroupLimits = ["memory", "cpus", "pids", "io"] as const;
export type CgroupLimit = (typeof cgroupLimits)[number];

/** The kernel's name of the controller behind each limit. */
export const controllerOf = { memory: "memory", cpus: "cpu", pids: "pids", io: "io" } as const;

/** How a caller comes to a cgroup of its own. */
export type CgroupAccess = "root" | "delegated" | "systemd-scope";

export type LimitSupport =
  | {
      readonly available: true;
      readonly version: 1 | 2;
      readonly via: CgroupAccess;
      /** Below which directory the cgroup will be made; for a scope, the user manager's own. */
      readonly controllerPath: string;
    }
  | {
      readonly available: false;
      /** Completes "memory cannot be limited: …". */
      readonly reason: string;
      /** The command or setting that changes it. */
      readonly hint: string;
    };

export type CgroupSupport = { readonly [Name in CgroupLimit]: LimitSupport };

/** Where a set of limits can be put in force together. */
export interface CgroupRoute {
  readonly v1: readonly { readonly limit: CgroupLimit; readonly hierarchy: CgroupHierarchy }[];
  readonly v2:
    | { readonly limits: readonly CgroupLimit[]; readonly placement: Placement }
    | { readonly limits: readonly CgroupLimit[]; readonly userManager: UserManager }
    | undefined;
}

export type RouteResult =
  | { readonly ok: true; readonly route: CgroupRoute }
  | { readonly ok: false; readonly limit: CgroupLimit; readonly reason: string; readonly hint: string };

/**
 * What cgroups can limit for this caller on this host, without changing anything: a few reads of /proc and cgroupfs.
 * `pid` is the process that will start sandboxes, which need not be this one.
 */
export function probeCgroups(pid: number = process.pid): CgroupSupport {
  const hierarchies = readCgroupHierarchies(pid);
  return {
    memory: supportOf("memory", hierarchies, pid),
    cpus: supportOf("cpus", hierarchies, pid),
    pids: supportOf("pids", hierarchies, pid),
    io: supportOf("io", hierarchies, pid),
  };
}

/** The one route for all these limits, or the first limit that has none. */
export function routeCgroups(limits: readonly CgroupLimit[], pid: number): RouteResult {
  const hierarchies = readCgroupHierarchies(pid);
  const v1: CgroupRoute["v1"][number][] = [];
  const onV2: CgroupLimit[] = [];
  for (const limit of limits) {
    const hierarchy = findV1(limit, hierarchies);
    if (hierarchy === undefined) {
      onV2.push(limit);
      continue;
    }
    const support = supportOf(limit, hierarchies, pid);
    if (!support.available) return { ok: false, limit, ...support };
    v1.push({ limit, hierarchy });
  }
  const [first] = onV2;
  if (first === undefined) return { ok: true, route: { v1, v2: undefined } };

  const unified = hierarchies.find(({ version }) => version === 2);
  const controllers = onV2.map((limit) => controllerOf[limit]);
  const placement = unified && placeBelow(unified, controllers, pid);
  if (placement) return { ok: true, route: { v1, v2: { limits: onV2, placement } } };
  for (const limit of onV2) {
    const support = supportOf(limit, hierarchies, pid);
    if (!support.available) return { ok: false, limit, ...support };
  }
  const userManager = unified && findUserManager(unified);
  if (userManager) return { ok: true, route: { v1, v2: { limits: onV2, userManager } } };
  return { ok: false, limit: first, ...notDelegated(unified) };
}

function supportOf(limit: CgroupLimit, hierarchies: readonly CgroupHierarchy[], pid: number): LimitSupport {
  const v1 = findV1(limit, hierarchies);
  if (v1 !== undefined) return supportOnV1(limit, v1);

  const controller = controllerOf[limit];
  if (hierarchies.length === 0) return unavailable("no cgroup hierarchy is mounted", noHierarchyHint);
  const unified = hierarchies.find(({ version }) => version === 2);
  if (unified === undefined) return unavailable(`the ${controller} controller is not mounted`, mountHint);
  const placement = placeBelow(unified, [controller], pid);
  if (placement) return { available: true, version: 2, via: callerAccess(), controllerPath: placement.base };

  if (unified.readOnly) return unavailable("cgroup2 is mounted read-only, as in a container", containerHint);
  if (!readWords(join(unified.mountPoint, "cgroup.controllers")).includes(controller)) {
    if (limit === "io" && hierarchies.some(({ controllers }) => controllers.includes("blkio"))) {
      return unavailable(
        "on cgroup v1 (blkio) only direct I/O can be limited, not what goes through the page cache",
        mountHint,
      );
    }
    return unavailable(
      `this kernel or container does not offer the ${controller} controller of cgroup2`,
      mountHint,
    );
  }
  const userManager = findUserManager(unified);
  if (userManager === undefined) return unavailable(...reasonAndHint(unified));
  if (!readWords(join(userManager.directory, "cgroup.controllers")).includes(controller)) {
    return unavailable(
      `the user's systemd is not delegated the ${controller} controller`,
      delegateHint(controller),
    );
  }
  return { available: true, version: 2, via: "systemd-scope", controllerPath: userManager.directory };
}

/** io is left to v2: the v1 controller, blkio, sees only direct I/O; what the page cache writes back is nobody's. */
function findV1(limit: CgroupLimit, hierarchies: readonly CgroupHierarchy[]): CgroupHierarchy | undefined {
  return hierarchies.find(
    ({ version, controllers }) => version === 1 && controllers.includes(controllerOf[limit]),
  );
}

function supportOnV1(limit: CgroupLimit, hierarchy: CgroupHierarchy): LimitSupport {
  const controller = controllerOf[limit];
  if (isWritable(hierarchy.own) && !hierarchy.readOnly) {
    return { available: true, version: 1, via: callerAccess(), controllerPath: hierarchy.own };
  }
  if (hierarchy.readOnly) {
    return unavailable(`the ${controller} controller is mounted read-only, as in a container`, containerHint);
  }
  return unavailable(
    `the ${controller} controller is on cgroup v1, which only root can use`,
    "run as root, or boot with systemd.unified_cgroup_hierarchy=1 for cgroup v2",
  );
}

function callerAccess(): "root" | "delegated" {
  return process.geteuid?.() === 0 ? "root" : "delegated";
}

function unavailable(reason: string, hint: string): LimitSupport {
  return { available: false, reason, hint };
}

function reasonAndHint(hierarchy: CgroupHierarchy | undefined): readonly [string, string] {
  const { reason, hint } = notDelegated(hierarchy);
  return [reason, hint];
}

function notDelegated(hierarchy: CgroupHierarchy | undefined): {
  readonly reason: string;
  readonly hint: string;
} {
  const own = hierarchy === undefined ? "the caller's cgroup" : `the cgroup ${hierarchy.own}`;
  return {
    reason: `${own} is not delegated to uid ${process.geteuid?.() ?? 0}, and no systemd user manager can be reached`,
    hint:
      `log in through systemd-logind or keep a user manager with "sudo loginctl enable-linger $USER", ` +
      `or start skillbox from a service with Delegate=yes`,
  };
}

const noHierarchyHint =
  "sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup, which an init other than systemd may leave undone";

const mountHint =
  "boot without cgroup_disable= and with systemd.unified_cgroup_hierarchy=1, which puts every controller on cgroup v2";

const containerHint =
  "start the container with a writable cgroup2: podman run --security-opt unmask=/sys/fs/cgroup …, " +
  "or docker run --cgroupns=private --security-opt writable-cgroups=true …";

function delegateHint(controller: string): string {
  return (
    `sudo mkdir -p /etc/systemd/system/user@.service.d && ` +
    `printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | ` +
    `sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload, ` +
    `then log in again (adds ${controller})`
  );
}
