import { realpathSync, statSync } from "node:fs";
import { pathContains } from "../policy/paths.js";
import type { Policy } from "../policy/policy.js";
import type { ResolvedFilesystem, ResolvedGrant } from "./grants.js";
import type { ReadOnlyMount } from "./interpreter.js";
import type { LaunchPlan } from "./launch-plan.js";
import { type Persona, sandboxPersona, type ShownDirectory } from "./persona.js";
import { grantSource, systemSource } from "./mount-source.js";
import { findRendezvous } from "./rendezvous.js";
import { RootBuilder, byDepth } from "./root-builder.js";
import {
  addDirectoryAsRoot,
  addHostView,
  addIdentityFiles,
  addKernelFilesystems,
  addScratch,
  inodesFor,
  kernelMountPoints,
} from "./system-mounts.js";

export interface CompileRequest {
  readonly policy: Policy;
  /** The policy's grants and the working directory's. */
  readonly filesystem: ResolvedFilesystem;
  /** What the command needs beside the view. */
  readonly prefixes: readonly ReadOnlyMount[];
  /** Inside. */
  readonly user: { readonly uid: number; readonly gid: number };
  /** Default: the sandbox's own. */
  readonly persona?: Persona | undefined;
  readonly shown?: readonly ShownDirectory[] | undefined;
  readonly seccomp: LaunchPlan["seccomp"];
  /** Mount points of the host: overlayfs does not show what is mounted below its layers. */
  readonly mountPoints: readonly string[];
  /** Directories on disk for overlays, by grant path, where tmpfs cannot hold an upper layer (before Linux 6.6). */
  readonly uppers: ReadonlyMap<string, string>;
}

/** Whether anything of the network has to do with the outside; Unix sockets are files. */
function needsGateway({ egress, forward, publish, proxyPort }: Policy["network"]): boolean {
  return egress.length + forward.length + publish.length > 0 || proxyPort !== undefined;
}

/** The launch plan of a policy. Reads the host's directories, changes nothing. */
export function compile(request: CompileRequest): LaunchPlan {
  const { policy, filesystem, prefixes, persona = sandboxPersona } = request;
  const builder = new RootBuilder((path) => isDenied(filesystem, path));
  const mounts = plannedMounts(prefixes, filesystem, request.shown);

  if (policy.filesystem.root === "host") {
    addHostView(builder);
  } else {
    const needed = [...kernelMountPoints, persona.home, ...mounts.map(({ target }) => target)];
    addDirectoryAsRoot(builder, realpathSync.native(policy.filesystem.root), needed);
  }
  addKernelFilesystems(builder, policy.filesystem.tmpBytes);
  addScratch(
    builder,
    policy.filesystem.tmpBytes,
    persona.home,
    mounts.map(({ target }) => target),
  );
  if (policy.filesystem.root === "host") addIdentityFiles(builder, request.user, persona);
  for (const mount of mounts) addGrant(builder, mount, request);
  for (const mount of mounts) addNamedLink(builder, mount);
  for (const { path } of filesystem.denials) {
    for (const target of insidePaths(path, policy.filesystem.root, mounts)) {
      if (!builder.showsHost(target)) continue;
      builder.cover({ type: "mask", target, attributes: ["nosuid", "nodev", "noexec"] });
    }
  }
  return {
    hostname: persona.hostname,
    user: request.user,
    operations: builder.operations(),
    egress: needsGateway(policy.network),
    seccomp: request.seccomp,
  };
}

/** What a run shows of the host beside the system view, in the order in which it is mounted. */
export interface PlannedMount {
  readonly access: ResolvedGrant["access"];
  /** On the host. */
  readonly source: string;
  /** Inside. */
  readonly target: string;
  /** The path by which the policy names it, where that led through a link. */
  readonly named: string;
  readonly kind: ResolvedGrant["kind"];
  readonly reason: string;
}

/** Parents first: what is named more exactly covers what is named less exactly. */
export function plannedMounts(
  prefixes: readonly ReadOnlyMount[],
  filesystem: ResolvedFilesystem,
  shown: readonly ShownDirectory[] = [],
): readonly PlannedMount[] {
  const fromPrefixes = prefixes.map(({ source, target }): PlannedMount => {
    const kind = statSync(source).isDirectory() ? "directory" : "file";
    return { access: "read", source, target, named: target, kind, reason: "the command's own installation" };
  });
  const fromGrants = filesystem.grants.map(({ access, path, named, kind, reason }): PlannedMount => {
    return { access, source: path, target: path, named, kind, reason };
  });
  const ours = shown.map(({ access, source, target }): PlannedMount => {
    return { access, source, target, named: target, kind: "directory", reason: "skillbox's own" };
  });
  return [...fromPrefixes, ...fromGrants, ...ours]
    .filter(({ source }) => !isDenied(filesystem, source))
    .toSorted((a, b) => byDepth(a.target, b.target));
}

/** Deny wins: what lies below a denied path is not shown, even where a grant names it more exactly. */
function isDenied({ denials }: ResolvedFilesystem, source: string): boolean {
  return denials.some(({ path }) => pathContains(path, source));
}

/** Where a path of the host may show inside: at its own place, and in another root (`root: DIR`) below that. */
function insidePaths(path: string, root: string, mounts: readonly PlannedMount[]): readonly string[] {
  if (root === "host") return [path];
  const realRoot = realpathSync.native(root);
  return [
    ...(mounts.some(({ target }) => pathContains(target, path)) ? [path] : []),
    ...(path !== realRoot && pathContains(realRoot, path) ? [path.slice(realRoot.length)] : []),
  ];
}

function addGrant(builder: RootBuilder, mount: PlannedMount, request: CompileRequest): void {
  const { access, target, kind } = mount;
  const source = grantSource(mount.source, kind === "special" ? "any" : kind);
  if (kind !== "directory") {
    builder.mountFile({ type: "bind", target, source, attributes: access === "read" ? readOnly : writable });
    return;
  }
  switch (access) {
    case "write":
      builder.mountDirectory({ type: "bind", target, source, attributes: writable });
      return;
    case "read":
      if (hasMountsBelow(mount.source, request.mountPoints)) {
        // overlayfs would show the empty directories underneath. The host's sockets and FIFOs in there stay reachable,
        // so they are masked, those that are there now.
        builder.mountDirectory({ type: "bind", target, source, attributes: readOnly });
        for (const path of findRendezvous(mount.source)) {
          const below = `${target}${path.slice(mount.source.length)}`;
          builder.cover({ type: "mask", target: below, attributes: readOnly });
        }
      } else {
        builder.mountDirectory({ type: "overlay-read", target, source, attributes: readOnly });
      }
      return;
    case "overlay": {
      const upper = request.uppers.get(mount.source);
      builder.mountDirectory({
        type: "overlay-write",
        target,
        source,
        sizeBytes: request.policy.filesystem.tmpBytes,
        inodes: inodesFor(request.policy.filesystem.tmpBytes),
        upper: upper === undefined ? undefined : systemSource(upper, "directory"),
        attributes: writable,
      });
    }
  }
}

const writable = ["nosuid", "nodev"] as const;
const readOnly = ["ro", "nosuid", "nodev"] as const;

function hasMountsBelow(path: string, mountPoints: readonly string[]): boolean {
  return mountPoints.some((point) => point !== path && pathContains(path, point));
}

/** A grant that was named through a link keeps that name inside, where nothing else stands there. */
function addNamedLink(builder: RootBuilder, { named, target }: PlannedMount): void {
  if (named !== target) builder.symlink(named, target);
}
