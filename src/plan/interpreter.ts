import { posix } from "node:path";
import type { HostFiles } from "./interpreter/host-files.js";
import { type Located, byOperator, locateName, locatePath } from "./interpreter/locate.js";
import type { Problem } from "./interpreter/problem.js";
import { type ReadOnlyMount, type Scope, bothSpellings, isCovered, isVisible } from "./interpreter/scope.js";
import { isWithin, walk } from "./interpreter/walk.js";

export { type HostFiles, hostFiles } from "./interpreter/host-files.js";
export type { Problem as InterpreterProblem } from "./interpreter/problem.js";
export type { ReadOnlyMount } from "./interpreter/scope.js";

/**
 * The command as the operator gave it, in the operator's surroundings. `grants` are the directories that the policy
 * opens, the working directory among them if it is one: their content is hostile, and neither a link nor a file in them
 * decides what else becomes visible.
 */
export interface InterpreterRequest {
  readonly argv0: string;
  /** The operator's PATH. */
  readonly path: string;
  /** Absolute; a command with a slash is relative to it. */
  readonly cwd: string;
  readonly home: string;
  /** The operator's variables, for those that version managers look at (PYENV_VERSION, NVM_DIR, …). */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Directories of the host that are visible inside already. */
  readonly view: readonly string[];
  readonly grants: readonly string[];
  readonly files: HostFiles;
}

export interface Interpreter {
  /** Absolute, as it is called inside; argv[0] stays the operator's. */
  readonly program: string;
  /**
   * What to add read-only: installations as directories, programs that stand alone as files. Sorted by target, none
   * inside another with the same source. None is a home directory, holds one, or touches keys and tokens.
   */
  readonly prefixes: readonly ReadOnlyMount[];
  /** PATH inside: the operator's order, without what is not there, with real directories for version managers' shims. */
  readonly environmentPath: readonly string[];
  /** What was decided and why, a sentence each, for `policy explain` and --verbose. */
  readonly notes: readonly string[];
}

const standardDirectories = ["/usr/local/bin", "/usr/bin", "/bin"];

/** Where the command is, and what of the host it needs beside the view to run at all. */
export function findInterpreter(request: InterpreterRequest): Interpreter | Problem {
  const scope = createScope(request);
  const located = locate(scope, request);
  if ("problem" in located) return located;
  const prefixes = normalise(scope, located.mounts);
  return {
    program: located.program,
    prefixes,
    environmentPath: environmentPath(scope, located, prefixes),
    notes: [...new Set([...relativeEntries(scope), ...located.notes])],
  };
}

function createScope({ files, home, environment, path, view, grants }: InterpreterRequest): Scope {
  return {
    files,
    home: posix.resolve("/", home),
    environment,
    searchPath: path.split(":"),
    view: bothSpellings(files, view),
    grants: bothSpellings(files, grants),
  };
}

function locate(scope: Scope, { argv0, cwd }: InterpreterRequest): Located | Problem {
  if (argv0 === "" || argv0.includes("\0")) {
    return {
      problem: "not-found",
      message: "the command is empty or holds a NUL byte",
      hint: "name a program",
    };
  }
  if (!argv0.includes("/")) return locateName(scope, argv0, byOperator);
  return locatePath(scope, argv0.startsWith("/") ? argv0 : `${cwd}/${argv0}`, byOperator);
}

/** Drops duplicates and what another mount shows at the same place anyway. */
function normalise(scope: Scope, mounts: readonly ReadOnlyMount[]): readonly ReadOnlyMount[] {
  return withoutNested(mounts.filter(({ target }) => !isVisible(scope, target)));
}

/** Sorted by target; one that lies in another goes without saying. */
export function withoutNested(mounts: readonly ReadOnlyMount[]): readonly ReadOnlyMount[] {
  const kept: ReadOnlyMount[] = [];
  for (const mount of mounts.toSorted((a, b) => (a.target < b.target ? -1 : 1))) {
    if (!kept.some(({ target }) => isWithin(mount.target, target))) kept.push(mount);
  }
  return kept;
}

function environmentPath(
  scope: Scope,
  located: Located,
  mounts: readonly ReadOnlyMount[],
): readonly string[] {
  const directories = scope.searchPath.flatMap((entry, index) => [
    ...located.directories.filter((found) => found.index === index).map(({ directory }) => directory),
    ...visibleDirectory(scope, mounts, entry),
  ]);
  return [...new Set([...directories, ...standardDirectories])];
}

/** A PATH entry by a name that leads to the same directory inside, if there is one. */
function visibleDirectory(scope: Scope, mounts: readonly ReadOnlyMount[], entry: string): readonly string[] {
  if (!entry.startsWith("/") || scope.files.stat(entry)?.kind !== "directory") return [];
  const walked = walk(scope.files, entry);
  if (walked === undefined || !isCovered(scope, mounts, walked.real)) return [];
  const holds = walked.links.every((link) => isCovered(scope, mounts, link)) && !entry.includes("..");
  return [holds ? posix.resolve(entry) : walked.real];
}

function relativeEntries(scope: Scope): readonly string[] {
  const ignored = scope.searchPath.filter((entry) => !entry.startsWith("/"));
  return ignored.length === 0
    ? []
    : ["relative entries of PATH are not searched: a skill may own what they lead to"];
}
