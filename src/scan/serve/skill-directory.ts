import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { pathContains } from "../../policy/paths.js";
import { Refusal } from "./refusal.js";

/**
 * The directory that a caller names, if it lies below one of the operator's, after every link was followed. What lies outside is said
 * to be missing: callers must not find out what else this host has.
 */
export async function allowedDirectory(named: string, roots: readonly string[]): Promise<string> {
  if (roots.length === 0) {
    throw new Refusal(403, "this service takes uploads only; its operator names directories with --root");
  }
  const missing = new Refusal(404, "skill_directory not found");
  if (named.includes("\0") || !path.isAbsolute(named)) throw missing;
  let directory: string;
  try {
    directory = await realpath(named);
    if (!(await stat(directory)).isDirectory()) throw missing;
  } catch {
    throw missing;
  }
  for (const root of roots) {
    if (pathContains(await realpath(root), directory)) return directory;
  }
  throw missing;
}

/** The directory of an unpacked archive that has SKILL.md: the top, or the only one below it that has. */
export async function skillRoot(directory: string): Promise<string> {
  if (await hasSkill(directory)) return directory;
  const entries = await readdir(directory, { withFileTypes: true });
  const below = entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(directory, entry.name));
  const skills = await Promise.all(below.map(async (one) => ((await hasSkill(one)) ? [one] : [])));
  const [found, ...others] = skills.flat();
  if (found !== undefined && others.length === 0) return found;
  throw new Refusal(
    400,
    found === undefined
      ? "the archive has no SKILL.md, neither at its top nor in a directory there"
      : "the archive has more than one SKILL.md: upload one skill at a time",
  );
}

async function hasSkill(directory: string): Promise<boolean> {
  return (await readdir(directory)).includes("SKILL.md");
}
