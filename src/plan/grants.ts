import { lstatSync, realpathSync, statSync, type Stats } from "node:fs";
import { dirname, relative } from "node:path";
import { SkillboxError } from "../errors.js";
import { pathContains } from "../policy/paths.js";
import type { Origin, PathGrant, Policy } from "../policy/policy.js";

export type GrantAccess = "read" | "write" | "overlay";

/** A grant whose path was resolved on this host. */
export interface ResolvedGrant {
  readonly access: GrantAccess;
  /** Without symbolic links; also its place inside. */
  readonly path: string;
  /** Absolute, as the policy names it; differs from `path` when it led through a link. */
  readonly named: string;
  readonly kind: "directory" | "file" | "special";
  readonly origin: Origin | undefined;
  /** Why it is there, for `policy explain`. */
  readonly reason: string;
}

export interface ResolvedDenial {
  readonly path: string;
  readonly origin: Origin | undefined;
}

export interface ResolvedFilesystem {
  readonly grants: readonly ResolvedGrant[];
  readonly denials: readonly ResolvedDenial[];
}

/**
 * Resolves what the policy names, once. Throws ERR_GRANT, with the line of the policy, for a path that is not there, that
 * nobody may grant, or that leads through a link which a sandbox could have made.
 */
export function resolveGrants(policy: Policy): ResolvedFilesystem {
  const { read, overlay, write, deny } = policy.filesystem;
  const grants = [
    ...read.map((grant) => resolve(grant, "read")),
    ...overlay.map((grant) => resolve(grant, "overlay")),
    ...write.map((grant) => resolve(grant, "write")),
  ];
  const writable = grants.filter((grant) => grant.access !== "read");
  const sockets = policy.network.unixSockets.map(resolveSocket);
  for (const grant of [...grants, ...sockets])
    refuseLinksBelow(grant.named, grant.path, writable, grant.origin);
  return {
    grants: [...strongest(grants), ...sockets],
    denials: deny.flatMap((grant) => resolveDenial(grant, writable)),
  };
}

const access = { read: "filesystem.read", overlay: "filesystem.overlay", write: "filesystem.write" } as const;

function resolve(grant: PathGrant, kind: GrantAccess): ResolvedGrant {
  const path = realPath(grant);
  if (path === "/") {
    throw grantError(grant.origin, `${access[kind]}: the root directory cannot be granted`, {
      hint: "name the directories that the program needs; `root: host` already shows the system's",
    });
  }
  if (path === "/dev" || pathContains("/proc", path)) {
    throw grantError(
      grant.origin,
      `${access[kind]}: ${grant.written} cannot be granted: the sandbox has its own`,
      {
        hint:
          path === "/dev"
            ? "it holds null, zero, full, random, urandom, tty, pts and shm"
            : "it shows the processes of the run",
      },
    );
  }
  const stats = statSync(path);
  if (stats.isBlockDevice() || stats.isCharacterDevice()) {
    throw grantError(grant.origin, `${access[kind]}: ${grant.written} is a device, which cannot be granted`, {
      hint: "null, zero, full, random, urandom and tty are there without a grant",
    });
  }
  if (kind === "overlay" && !stats.isDirectory()) {
    throw grantError(grant.origin, `${access[kind]}: ${grant.written} is not a directory`, {
      hint: "an overlay needs a directory; grant a single file with `read` or `write`",
    });
  }
  return {
    access: kind,
    path,
    named: grant.path,
    kind: kindOf(stats),
    origin: grant.origin,
    reason: access[kind],
  };
}

/** A socket is reached by whoever may write to its inode; the mount itself may be read-only (connect(2) changes no file). */
function resolveSocket(grant: PathGrant): ResolvedGrant {
  const path = realPath(grant);
  if (!statSync(path).isSocket()) {
    throw grantError(grant.origin, `network.unixSockets: ${grant.written} is not a Unix socket`, {
      hint: "start the server that makes it first; files and directories are granted under `filesystem`",
    });
  }
  return {
    access: "read",
    path,
    named: grant.path,
    kind: "special",
    origin: grant.origin,
    reason: "network.unixSockets",
  };
}

function kindOf(stats: Stats): ResolvedGrant["kind"] {
  return stats.isDirectory() ? "directory" : stats.isFile() ? "file" : "special";
}

function realPath(grant: PathGrant): string {
  try {
    return realpathSync.native(grant.path);
  } catch (cause) {
    const missing = isErrno(cause, "ENOENT") || isErrno(cause, "ENOTDIR");
    throw grantError(
      grant.origin,
      missing
        ? `${grant.written}: no such file or directory (${grant.path})`
        : `${grant.written}: cannot be resolved (${cause instanceof Error ? cause.message : String(cause)})`,
      {
        hint: missing
          ? "create it first, or take it out of the policy; skillbox creates nothing on the host"
          : undefined,
        cause,
      },
    );
  }
}

/**
 * Below a directory that some sandbox may write to, a link in a policy path may have been put there by an earlier run:
 * following it would let a program choose what the next run is granted.
 */
function refuseLinksBelow(
  named: string,
  real: string,
  writable: readonly ResolvedGrant[],
  origin: Origin | undefined,
): void {
  for (const grant of writable) {
    for (const base of new Set([grant.named, grant.path])) {
      if (named === base || !pathContains(base, named)) continue;
      if (`${grant.path}/${relative(base, named)}` === real) continue;
      throw grantError(
        origin,
        `${named} leads through a symbolic link below ${grant.path}, which the sandbox may write to`,
        {
          hint: `name the place itself (${real}) if that is what you mean`,
        },
      );
    }
  }
}

/** Deny rules may name what is not there, except where the program could create it. */
function resolveDenial(grant: PathGrant, writable: readonly ResolvedGrant[]): readonly ResolvedDenial[] {
  let path: string;
  try {
    path = realpathSync.native(grant.path);
  } catch (cause) {
    if (!isErrno(cause, "ENOENT") && !isErrno(cause, "ENOTDIR")) throw cause;
    const parent = writable.find((other) => pathContains(other.path, nearestRealParent(grant.path)));
    if (parent === undefined) return [];
    throw grantError(
      grant.origin,
      `filesystem.deny: ${grant.written} is not there, and the program may create it in ${parent.path}`,
      {
        hint: "create it first: only what exists can be masked, since skillbox creates nothing on the host",
      },
    );
  }
  if (path === "/") {
    throw grantError(grant.origin, "filesystem.deny: the root directory cannot be denied", {
      hint: "what is not granted is not there; deny what lies inside a grant",
    });
  }
  refuseLinksBelow(grant.path, path, writable, grant.origin);
  return [{ path, origin: grant.origin }];
}

function nearestRealParent(path: string): string {
  for (let parent = dirname(path); ; parent = dirname(parent)) {
    try {
      return realpathSync.native(parent);
    } catch (cause) {
      if (parent === "/" || !(isErrno(cause, "ENOENT") || isErrno(cause, "ENOTDIR"))) throw cause;
    }
  }
}

/** The same place named twice gets the stronger access. */
function strongest(grants: readonly ResolvedGrant[]): readonly ResolvedGrant[] {
  const byPath = new Map<string, ResolvedGrant>();
  for (const grant of grants) byPath.set(grant.path, grant); // in order read, overlay, write
  return [...byPath.values()];
}

export function grantError(
  origin: Origin | undefined,
  message: string,
  options: { hint?: string | undefined; cause?: unknown } = {},
): SkillboxError {
  const place = origin === undefined ? "" : `${origin.file}:${origin.line}:${origin.column}: `;
  return new SkillboxError("ERR_GRANT", `${place}${message}`, {
    ...(options.hint === undefined ? {} : { hint: options.hint }),
    ...(options.cause === undefined ? {} : { cause: options.cause }),
  });
}

export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

/** Whether a path is there, itself, links not followed. */
export function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
