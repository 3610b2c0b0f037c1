import { rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CgroupLimit } from "../host/cgroup-support.js";
import { errnoOf, exists, readWords, writeValue } from "../host/pseudo-files.js";
import type { Cgroup, CgroupStats } from "./cgroup-types.js";

/** A directory in one hierarchy: what it enforces and how its counters are read. */
export interface CgroupMember {
  readonly version: 1 | 2;
  readonly directory: string;
  /** A directory that was made for all runs' cgroups, to go with the last of them. */
  readonly sharedBase?: string | undefined;
  readonly enforces: ReadonlyMap<CgroupLimit, string>;
  readonly readStats: () => Partial<CgroupStats>;
}

export class CgroupDirectories implements Cgroup {
  readonly procsFiles: readonly string[];
  readonly directory: string | undefined;
  readonly #members: readonly CgroupMember[];
  #lastStats: CgroupStats = {
    memoryPeakBytes: undefined,
    pidsPeak: undefined,
    cpuUserMs: undefined,
    cpuSystemMs: undefined,
    oomKills: 0,
    pidsRefused: 0,
  };

  constructor(members: readonly CgroupMember[]) {
    this.#members = members;
    this.procsFiles = members.map(({ directory }) => join(directory, "cgroup.procs"));
    this.directory = members.find(({ version }) => version === 2)?.directory;
  }

  enforcedBy(limit: CgroupLimit): string | undefined {
    return this.#members.map(({ enforces }) => enforces.get(limit)).find((text) => text !== undefined);
  }

  /** Keeps the last figures, so that they can still be asked for when the directories are gone. */
  stats(): CgroupStats {
    const defined = this.#members.flatMap((member) =>
      Object.entries(member.readStats()).filter(([, value]) => value !== undefined),
    );
    this.#lastStats = { ...this.#lastStats, ...Object.fromEntries(defined) };
    return this.#lastStats;
  }

  kill(): void {
    for (const { directory } of this.#members) killMembers(directory);
  }

  async remove(): Promise<boolean> {
    this.stats();
    const outcomes = await Promise.all(this.#members.map(({ directory }) => removeCgroup(directory, 2000)));
    // ENOTEMPTY and EBUSY say that other runs are in there.
    for (const { sharedBase } of this.#members) if (sharedBase !== undefined) rmdirErrno(sharedBase);
    return outcomes.every((gone) => gone);
  }
}

/**
 * SIGKILL to every process in a cgroup. cgroup.kill (Linux 5.14, v2 only) reaches all of them at once, also those
 * being forked. Without it the list is read again until it names nobody new.
 */
export function killMembers(directory: string): void {
  const killFile = join(directory, "cgroup.kill");
  if (exists(killFile)) {
    ignoring(["ENOENT", "ENODEV", "EACCES"], () => writeValue(killFile, "1"));
    return;
  }
  const signalled = new Set<number>();
  for (let round = 0; round < 64; round++) {
    const before = signalled.size;
    for (const word of readWords(join(directory, "cgroup.procs"))) {
      const pid = Number(word);
      // A process that our pid namespace cannot see is listed as 0, and kill(0) would reach ourselves.
      if (!(pid > 0) || signalled.has(pid)) continue;
      signalled.add(pid);
      ignoring(["ESRCH", "EPERM"], () => process.kill(pid, "SIGKILL"));
    }
    if (signalled.size === before) return;
  }
}

/** True when the directory is gone. rmdir says EBUSY while a killed process has not finished dying. */
export async function removeCgroup(directory: string, patienceMs: number): Promise<boolean> {
  const deadline = performance.now() + patienceMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const errno = rmdirErrno(directory);
    if (errno === undefined || errno === "ENOENT") return true;
    if (!["EBUSY", "ENOMEM"].includes(errno) || performance.now() > deadline) return false;
    killMembers(directory);
    await sleep(pauseMs);
  }
}

function rmdirErrno(directory: string): string | undefined {
  try {
    rmdirSync(directory);
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? "unknown";
  }
}

function ignoring(errnos: readonly string[], action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!errnos.includes(errnoOf(error) ?? "")) throw error;
  }
}
