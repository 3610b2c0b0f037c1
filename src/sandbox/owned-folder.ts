import { execFile } from "node:child_process";
import { lstatSync, readdirSync, statfsSync } from "node:fs";
import { mkdtemp, rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { newRunId } from "./run-id.js";
import { isOrphan, ownedName } from "./run-owner.js";

/**
 * A private folder among the system's temporary ones, named after this process: what a process that was killed left there
 * is cleared by the next that makes one. The caller removes it.
 */
export async function makeOwnedFolder(purpose: string): Promise<string> {
  const base = grantableFolder();
  await clearStaleFolders(base);
  return mkdtemp(join(base, ownedName(`${purpose}-`)));
}

/** A root caller's grants need idmapped mounts, which tmpfs, as /tmp often is, has from Linux 6.3 on only. */
function grantableFolder(): string {
  const usual = tmpdir();
  return process.geteuid?.() === 0 && statfsSync(usual).type === tmpfsMagic ? "/var/tmp" : usual;
}

/** TMPFS_MAGIC, linux/magic.h. */
const tmpfsMagic = 0x0102_1994;

/** Removes what this user's processes that are gone left below a directory. */
export async function clearStaleFolders(base: string): Promise<void> {
  for (const name of readdirSync(base).filter(isOrphan)) {
    const stats = lstatSync(join(base, name), { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true || stats.uid !== process.geteuid?.()) continue;
    // Of two that clear at the same time one gets it; and if that one is killed too, the name says so.
    const claimed = join(base, ownedName(newRunId()));
    if (await renamed(join(base, name), claimed)) await removeTree(claimed);
  }
}

async function renamed(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

/** By the system's own tools: they manage any depth, and directories that a program has made unreadable. */
export async function removeTree(directory: string): Promise<void> {
  const run = promisify(execFile);
  await run("chmod", ["-R", "u+rwX", "--", directory]);
  await run("rm", ["-rf", "--one-file-system", "--", directory]);
}
