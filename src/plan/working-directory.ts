import { realpathSync, statSync } from "node:fs";
import { SkillboxError } from "../errors.js";
import { pathContains } from "../policy/paths.js";
import { isErrno, type ResolvedGrant } from "./grants.js";

/**
 * The working directory without symbolic links: inside, only that path is sure to be there. Throws ERR_GRANT for what is
 * no directory.
 */
export function realWorkingDirectory(directory: string): string {
  let path: string;
  try {
    path = realpathSync.native(directory);
  } catch (cause) {
    const missing = isErrno(cause, "ENOENT") || isErrno(cause, "ENOTDIR");
    throw new SkillboxError(
      "ERR_GRANT",
      missing
        ? `the working directory ${directory} is not there`
        : `the working directory ${directory} cannot be resolved (${cause instanceof Error ? cause.message : String(cause)})`,
      { hint: "choose another with -C DIR", cause },
    );
  }
  if (!statSync(path).isDirectory()) {
    throw new SkillboxError("ERR_GRANT", `the working directory ${directory} is not a directory`, {
      hint: "choose another with -C DIR",
    });
  }
  return path;
}

/**
 * The directory that the program starts in (without links), as a read-only grant if nothing shows it yet. Refused without an explicit
 * grant: `/`, the caller's home and what is above it, since a program has no business in all of somebody's files.
 * Throws ERR_GRANT.
 */
export function workingDirectoryGrant(
  path: string,
  home: string,
  grants: readonly ResolvedGrant[],
  visible: readonly string[],
): ResolvedGrant | undefined {
  if (
    grants.some((grant) => pathContains(grant.path, path)) ||
    visible.some((seen) => pathContains(seen, path))
  ) {
    return undefined;
  }
  if (pathContains(path, realHome(home)) || path === "/") {
    throw new SkillboxError(
      "ERR_GRANT",
      `the working directory is ${path}, ${path === "/" ? "the root of the host" : "a home directory or above one"}: the program would see all of it`,
      {
        hint: "change to the directory of the program, or grant what it needs: --read DIR, or -C DIR for another working directory",
      },
    );
  }
  return {
    access: "read",
    path,
    named: path,
    kind: "directory",
    origin: undefined,
    reason: "the working directory",
  };
}

/** A home that is not there protects nothing, and hides nothing. */
function realHome(home: string): string {
  try {
    return realpathSync.native(home);
  } catch {
    return home;
  }
}
