import { posix } from "node:path";
import { type Added, cover, isReachable } from "./cover.js";
import { dispatch } from "./dispatch.js";
import { type Problem, notExecutable, notFound, unrecognised } from "./problem.js";
import { type Candidate, passesGrant, searchPath } from "./search.js";
import { type ReadOnlyMount, type Scope, isHostile } from "./scope.js";
import { parseShebang, shebangBytes } from "./shebang.js";
import { type Hop, hops } from "./walk.js";

export interface Located {
  /** What to execute, as it is called inside. */
  readonly program: string;
  readonly mounts: readonly ReadOnlyMount[];
  /** Directories of programs found by name, each with its position in the operator's PATH. */
  readonly directories: readonly { readonly index: number; readonly directory: string }[];
  readonly notes: readonly string[];
}

/** Who named the path. What a grant's content names may only pick among what the operator's PATH leads to anyway. */
interface Reference {
  readonly hostile: boolean;
  /** Scripts whose interpreter is a script again; the kernel stops at five (fs/exec.c). */
  readonly depth: number;
  /** While answering what the operator's PATH leads to, grants are left out of it. */
  readonly operatorOnly: boolean;
  readonly index?: number | undefined;
}

const maxDepth = 4;
export const byOperator: Reference = { hostile: false, depth: 0, operatorOnly: false };

/** Looks a name up the way execvp(3) does, in the operator's PATH. */
export function locateName(scope: Scope, name: string, reference: Reference): Located | Problem {
  const found = searchPath(scope, name, { skipHostile: reference.operatorOnly });
  let passed: string | undefined;
  for (const candidate of found.candidates) {
    const located = locateCandidate(scope, candidate, reference);
    if (located !== "pass") return located;
    passed ??= candidate.path;
  }
  if (found.notExecutable !== undefined) return notExecutable(found.notExecutable);
  if (passed !== undefined) {
    return notFound(
      `${passed}: the selected version has no ${name}`,
      "select a version that has it, for all directories",
    );
  }
  return notFound(`${name}: not found in PATH`, "name the program by its path, or add its directory to PATH");
}

function locateCandidate(
  scope: Scope,
  candidate: Candidate,
  reference: Reference,
): Located | Problem | "pass" {
  // PATH was set by the operator, whoever asked for the name.
  return locateDispatched(scope, candidate.path, { ...reference, hostile: false, index: candidate.index });
}

export function locatePath(scope: Scope, path: string, reference: Reference): Located | Problem {
  const fact = scope.files.stat(path);
  if (fact === undefined) return notFound(`${path}: no such file`, "check the path");
  const located = locateDispatched(scope, path, reference);
  if (located !== "pass") return located;
  return notFound(
    `${path}: no selected version has it`,
    "name the program itself instead of the version manager's shim",
  );
}

function locateDispatched(scope: Scope, path: string, reference: Reference): Located | Problem | "pass" {
  const [first] = hops(scope.files, path) ?? [];
  if (first === undefined) return notFound(`${path}: too many symbolic links`, "check the path");
  // A grant's text that names a shim directly gets no version picked for it.
  const picked =
    reference.hostile || passesGrantBefore(scope, first) ? undefined : dispatch(scope, first.location);
  if (picked === undefined) return locateFile(scope, path, reference);
  if (picked.kind === "pass") return "pass";
  if (picked.kind === "unknown") {
    return unrecognised(
      `${path} is a shim of ${picked.manager}, and no version is selected for all directories`,
      picked.cure,
    );
  }
  const located = locateFile(scope, picked.program, reference);
  return "problem" in located ? located : { ...located, notes: [picked.note, ...located.notes] };
}

function passesGrantBefore(scope: Scope, hop: Hop): boolean {
  return hop.directoryLinks.some((link) => isHostile(scope, link));
}

function locateFile(scope: Scope, path: string, reference: Reference): Located | Problem {
  const chain = hops(scope.files, path);
  const real = chain?.at(-1)?.location;
  const fact = scope.files.stat(path);
  if (chain === undefined || real === undefined || fact === undefined)
    return notFound(`${path}: no such file`, "check the path");
  if (fact.kind !== "file" || !fact.executable) return notExecutable(path);

  const leadsTo = (lookup: string) => operatorMounts(scope, lookup, reference);
  const coverage = cover(scope, chain, { hostile: reference.hostile, leadsTo });
  if ("problem" in coverage) return coverage;
  const { mounts, notes, hostile } = coverage;
  const start = chain.findIndex((_, index) => isReachable(scope, mounts, chain.slice(index)));
  const program = chain[start]?.location ?? real;
  const own: Located = {
    program,
    mounts,
    directories:
      reference.index === undefined ? [] : [{ index: reference.index, directory: posix.dirname(program) }],
    notes,
  };
  const interpreter = locateInterpreter(scope, real, { ...reference, hostile, index: undefined });
  if (interpreter === undefined) return own;
  return "problem" in interpreter ? interpreter : merge(own, interpreter);
}

function operatorMounts(scope: Scope, name: string, reference: Reference): Added | undefined {
  // Already answering this question: grants take no part in the answer.
  if (reference.operatorOnly) return undefined;
  const located = locateName(scope, name, { hostile: false, depth: maxDepth, operatorOnly: true });
  return "problem" in located ? undefined : located;
}

/** The program that a script's first line names, or undefined if it is no script. */
function locateInterpreter(
  scope: Scope,
  script: string,
  reference: Reference,
): Located | Problem | undefined {
  const shebang = parseShebang(scope.files.readStart(script, shebangBytes) ?? "");
  if (shebang === undefined) return undefined;
  if (reference.depth >= maxDepth) {
    if (reference.operatorOnly) return undefined;
    return notExecutable(script);
  }
  const next = { ...reference, depth: reference.depth + 1 };
  if (shebang.search !== undefined && !shebang.search.includes("/")) {
    return asInterpreter(script, shebang.search, locateName(scope, shebang.search, next));
  }
  const path = shebang.search ?? shebang.interpreter;
  // A relative interpreter is looked up in the working directory, inside; nothing out here has to be added for it.
  if (!path.startsWith("/")) return undefined;
  const hostile = reference.hostile || passesGrant(scope, path);
  return asInterpreter(script, path, locatePath(scope, path, { ...next, hostile }));
}

function asInterpreter(script: string, name: string, located: Located | Problem): Located | Problem {
  return "problem" in located
    ? { ...located, message: `${script}: its interpreter ${name}: ${located.message}` }
    : located;
}

function merge(own: Located, interpreter: Located): Located {
  return {
    program: own.program,
    mounts: [...own.mounts, ...interpreter.mounts],
    directories: [...own.directories, ...interpreter.directories],
    notes: [...own.notes, ...interpreter.notes],
  };
}
