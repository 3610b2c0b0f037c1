import { readFileSync, readlinkSync } from "node:fs";
import { errnoOf } from "./pseudo-files.js";

export interface ProcessStat {
  readonly parentPid: number;
  /** Clock ticks since boot: with the pid, the identity of a process, because pids are used again. */
  readonly startTime: string;
}

/**
 * Fields 4 and 22 of proc_pid_stat(5); undefined when the process is gone. Throws where it could not be read: whoever takes
 * that for an end kills what a living process answers for.
 */
export function readProcessStat(pid: number | "self"): ProcessStat | undefined {
  const text = readUnlessGone(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [, parentPid] = fields;
  const startTime = fields[19];
  return parentPid === undefined || startTime === undefined
    ? undefined
    : { parentPid: Number(parentPid), startTime };
}

function readUnlessGone(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    // ESRCH: it went between open(2) and read(2).
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ESRCH") return undefined;
    throw error;
  }
}

/** The inode number of our pid namespace: pids mean nothing outside it. */
export function pidNamespace(): string {
  return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
}

/** Whether `ancestor` is `pid` itself or one of its parents, as far as /proc still tells. */
export function descendsFrom(pid: number, ancestor: number): boolean {
  for (let current = pid; current > 1; current = readProcessStat(current)?.parentPid ?? 0) {
    if (current === ancestor) return true;
  }
  return false;
}
