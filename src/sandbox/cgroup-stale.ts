import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { killMembers, removeCgroup } from "./cgroup-directories.js";
import { isOrphan } from "./run-owner.js";

/** Enough for what a crash leaves, and a bound on what it may cost the next run. */
const patienceMs = 50;

/**
 * Kills and removes the cgroups of runs whose supervisor is gone, below these directories and beside them: the dead
 * runner may have been started from a neighbouring cgroup (another login session, another unit). Returns how many.
 */
export async function clearStaleCgroups(bases: readonly string[]): Promise<number> {
  const deadline = performance.now() + patienceMs;
  const stale = [...new Set(bases.flatMap((base) => [base, ...siblingsOf(base)]))].flatMap(staleIn);
  for (const directory of stale) killMembers(directory);
  let cleared = 0;
  for (const directory of stale) {
    if (await removeCgroup(directory, Math.max(0, deadline - performance.now()))) cleared++;
  }
  return cleared;
}

function siblingsOf(base: string): readonly string[] {
  const parent = dirname(base);
  return directoriesIn(parent)
    .slice(0, 256)
    .map((name) => join(parent, name));
}

function staleIn(base: string): readonly string[] {
  return directoriesIn(base)
    .filter((name) => isOrphan(name))
    .map((name) => join(base, name));
}

function directoriesIn(path: string): readonly string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
