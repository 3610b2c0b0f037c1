import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { clearStaleFolders, removeTree } from "./owned-folder.js";
import { ownedName } from "./run-owner.js";

/** For what must outlive no run but may be large. Sticky: nobody else can take away or replace what we make there. */
const base = "/var/tmp";

/**
 * Directories on disk for the upper layers of overlays, where a tmpfs cannot be one (before Linux 6.6 it has no user
 * extended attributes, and removing or renaming a lower directory fails with EIO). Private to this user; what a run that
 * was killed left here is cleared by the next one. Unlike a tmpfs they are bounded only by the disk.
 */
export class OverlayStorage {
  readonly #runId: string;
  #directory: string | undefined;
  #count = 0;

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** An empty directory for one overlay. */
  create(): string {
    this.#directory ??= this.#make();
    const directory = join(this.#directory, String(this.#count++));
    mkdirSync(directory, { mode: 0o700 });
    return directory;
  }

  async remove(): Promise<void> {
    if (this.#directory !== undefined) await removeTree(this.#directory);
  }

  #make(): string {
    const directory = join(base, ownedName(this.#runId));
    // Not recursive: a name that is taken is an error.
    mkdirSync(directory, { mode: 0o700 });
    return directory;
  }
}

/** Removes what this user's dead runs left behind. */
export async function clearStaleStorage(): Promise<void> {
  await clearStaleFolders(base);
}
