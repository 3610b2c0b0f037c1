import { join } from "node:path";
import { exists, readValue } from "./pseudo-files.js";
import { parseMountinfo, type MountinfoEntry } from "./mountinfo.js";

/** A mounted cgroup hierarchy, and where in it a process is. */
export interface CgroupHierarchy {
  readonly version: 1 | 2;
  /** The controllers bound to a v1 hierarchy; empty for v2, where each directory has its own cgroup.controllers. */
  readonly controllers: readonly string[];
  readonly mountPoint: string;
  /** The directory of the process's own cgroup. */
  readonly own: string;
  readonly readOnly: boolean;
  /** What is mounted is not the hierarchy's root: we are in a container, or in a cgroup namespace. */
  readonly partial: boolean;
}

/**
 * The hierarchies that a process can see itself in: proc_pid_cgroup(5) says where it is, the mount table where that
 * can be found. A hierarchy that is not mounted, or mounted somewhere above which the process lies, is left out.
 */
export function readCgroupHierarchies(pid: number | "self"): readonly CgroupHierarchy[] {
  const mounts = parseMountinfo(readValue("/proc/self/mountinfo") ?? "").filter((mount) =>
    mount.fsType.startsWith("cgroup"),
  );
  const hierarchies: CgroupHierarchy[] = [];
  for (const line of (readValue(`/proc/${pid}/cgroup`) ?? "").split("\n")) {
    const [, hierarchyId, list, path] = /^(\d+):([^:]*):(.*)$/.exec(line) ?? [];
    if (hierarchyId === undefined || list === undefined || path === undefined) continue;
    const version = hierarchyId === "0" ? 2 : 1;
    const controllers = list === "" ? [] : list.split(",");
    const found = mounts
      .filter((mount) => isHierarchy(mount, version, controllers))
      .flatMap((mount) => {
        const below = relativeTo(mount.root, path);
        return below === undefined
          ? []
          : [{ mount, own: below === "/" ? mount.mountPoint : join(mount.mountPoint, below) }];
      })
      .find(({ own }) => exists(join(own, "cgroup.procs")));
    if (found === undefined) continue;
    const { mount, own } = found;
    hierarchies.push({
      version,
      controllers,
      mountPoint: mount.mountPoint,
      own,
      readOnly: mount.options.includes("ro") || mount.superOptions.includes("ro"),
      partial: mount.root !== "/" || isNamespaceRoot(version, mount.mountPoint),
    });
  }
  return hierarchies;
}

function isHierarchy(mount: MountinfoEntry, version: 1 | 2, controllers: readonly string[]): boolean {
  if (version === 2) return mount.fsType === "cgroup2";
  return mount.fsType === "cgroup" && controllers.every((name) => mount.superOptions.includes(name));
}

/** `path` below `root`; undefined where it is not. In a cgroup namespace a process outside it shows as "/../x". */
function relativeTo(root: string, path: string): string | undefined {
  if (path.startsWith("/..")) return undefined;
  if (root === "/" || root === path) return root === path ? "/" : path;
  return path.startsWith(`${root}/`) ? path.slice(root.length) : undefined;
}

/** Every v2 cgroup but the hierarchy's root has a cgroup.type; a namespace's root, which also shows as "/", has one. */
function isNamespaceRoot(version: 1 | 2, mountPoint: string): boolean {
  return version === 2 && exists(join(mountPoint, "cgroup.type"));
}
