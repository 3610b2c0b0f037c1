import { posix } from "node:path";
import type { Scope } from "./scope.js";
import { isHostile } from "./scope.js";
import { hops } from "./walk.js";

export interface Candidate {
  readonly path: string;
  /** Position in the operator's PATH. */
  readonly index: number;
}

export interface Search {
  readonly candidates: readonly Candidate[];
  /** The first regular file of that name without an x bit: execvp(3) gives EACCES for it if nothing else is found. */
  readonly notExecutable: string | undefined;
}

/** Every program of that name in the operator's PATH, in order. */
export function searchPath(scope: Scope, name: string, options: { readonly skipHostile: boolean }): Search {
  const candidates: Candidate[] = [];
  let notExecutable: string | undefined;
  for (const [index, directory] of scope.searchPath.entries()) {
    // "" and "." mean the working directory, which is often a skill's: never looked into by way of PATH.
    if (!directory.startsWith("/")) continue;
    const path = posix.join(directory, name);
    const fact = scope.files.stat(path);
    if (fact?.kind !== "file") continue;
    if (options.skipHostile && passesGrant(scope, path)) continue;
    if (fact.executable) candidates.push({ path, index });
    else notExecutable ??= path;
  }
  return { candidates, notExecutable };
}

export function passesGrant(scope: Scope, path: string): boolean {
  const chain = hops(scope.files, path) ?? [];
  return chain.some((hop) => [hop.location, ...hop.directoryLinks].some((place) => isHostile(scope, place)));
}
