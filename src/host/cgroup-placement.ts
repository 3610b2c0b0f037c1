import { dirname, join, relative } from "node:path";
import type { CgroupHierarchy } from "./cgroup-hierarchies.js";
import { descendsFrom } from "./process-stat.js";
import { exists, isWritable, readValue, readWords } from "./pseudo-files.js";

/** Where in the cgroup2 tree a caller may make cgroups of its own, and what has to be done there first. */
export interface Placement {
  /** The directory below which to create. It may not exist yet. */
  readonly base: string;
  /** Directories, from the top down and ending in the base, that have to pass the controllers on. */
  readonly enableIn: readonly string[];
  /** The base holds processes that have to move into a leaf before it can pass controllers on. */
  readonly evacuate: boolean;
}

/**
 * The nearest place that works, seen from a process's own cgroup.
 *
 * cgroups(7), "Delegation": moving a process takes write permission to cgroup.procs of the common ancestor of where it
 * is and where it goes, so that only the process's own cgroup and those above it come into question. "No internal
 * processes": a cgroup that passes domain controllers on holds no processes itself, so that the own cgroup is the last
 * resort, taken only where everything in it is ours to move. Under systemd ("single writer", systemd's
 * CGROUP_DELEGATION.md) only what lies inside a delegated unit is; the root of a systemd host gets a directory of its
 * own beside the slices.
 */
export function placeBelow(
  hierarchy: CgroupHierarchy,
  controllers: readonly string[],
  pid: number,
): Placement | undefined {
  const candidates = candidatesOf(hierarchy).filter(
    (directory) =>
      isWritable(directory) &&
      isWritable(join(directory, "cgroup.procs")) &&
      includesAll(readWords(join(directory, "cgroup.controllers")), controllers),
  );
  const ready = candidates.find((directory) =>
    includesAll(readWords(join(directory, "cgroup.subtree_control")), controllers),
  );
  if (ready !== undefined) return { base: ready, enableIn: [ready], evacuate: false };

  const switchable = candidates.filter((directory) => isWritable(join(directory, "cgroup.subtree_control")));
  const empty = switchable.find((directory) => hasNoMembers(directory));
  if (empty !== undefined) return { base: empty, enableIn: [empty], evacuate: false };

  const own = switchable.find((directory) => directory === hierarchy.own);
  if (own !== undefined && isOursToEmpty(hierarchy, pid))
    return { base: own, enableIn: [own], evacuate: true };

  return besideTheSlices(hierarchy, controllers);
}

/** Where supervisors wait while their cgroup passes controllers on to the sandboxes beside them. */
export const supervisorLeaf = "supervisor";

/** The transient scopes that we ask systemd for, and so know to be delegated to us. */
export const scopePrefix = "skillbox-";

const unitName = /\.(slice|scope|service)$/;

function candidatesOf(hierarchy: CgroupHierarchy): readonly string[] {
  const ancestors = [hierarchy.own];
  for (let directory = hierarchy.own; directory !== hierarchy.mountPoint && directory !== "/";) {
    directory = dirname(directory);
    ancestors.push(directory);
  }
  const unit = ancestors.findIndex((directory) => unitName.test(directory));
  if (unit === -1) return ancestors;
  // systemd makes no cgroups below a scope or service: being in one means that somebody was delegated this unit.
  if (unit > 0 || isDelegatedUnit(hierarchy)) return ancestors.slice(0, unit + 1);
  return [];
}

/**
 * The mark of delegation is an extended attribute (user.delegate) that node cannot read. Ownership tells as well for a
 * unit of the system's manager that runs as an ordinary user, because only a delegated one is given to that user.
 * Everything below user@UID.service belongs to the user, delegated or not.
 */
function isDelegatedUnit(hierarchy: CgroupHierarchy): boolean {
  const components = relative(hierarchy.mountPoint, hierarchy.own).split("/");
  const name = components.at(-1) ?? "";
  if (name.endsWith(".slice") || /^session-.*\.scope$/.test(name)) return false;
  if (name.startsWith(scopePrefix) && name.endsWith(".scope")) return true;
  return process.geteuid?.() !== 0 && !components.some((component) => component.startsWith("user@"));
}

/** Only the hierarchy's root may pass controllers on while it has members; it is the one without a cgroup.type. */
function hasNoMembers(directory: string): boolean {
  return !exists(join(directory, "cgroup.type")) || readValue(join(directory, "cgroup.procs")) === "";
}

/** Nobody else's processes are in there; or it is the whole of a container, whose members are all in one hand. */
function isOursToEmpty(hierarchy: CgroupHierarchy, pid: number): boolean {
  if (hierarchy.partial && hierarchy.own === hierarchy.mountPoint) return true;
  return readWords(join(hierarchy.own, "cgroup.procs")).every(
    (member) => descendsFrom(Number(member), pid) || descendsFrom(Number(member), process.pid),
  );
}

function besideTheSlices(hierarchy: CgroupHierarchy, controllers: readonly string[]): Placement | undefined {
  const top = hierarchy.mountPoint;
  const available = includesAll(readWords(join(top, "cgroup.controllers")), controllers);
  if (process.geteuid?.() !== 0 || hierarchy.own === top || !available) return undefined;
  if (!isWritable(top) || !isWritable(join(top, "cgroup.subtree_control")) || !hasNoMembers(top))
    return undefined;
  const base = join(top, "skillbox");
  return { base, enableIn: [top, base], evacuate: false };
}

export function includesAll(all: readonly string[], wanted: readonly string[]): boolean {
  return wanted.every((word) => all.includes(word));
}
