import { readlinkSync } from "node:fs";
import { readValue } from "./pseudo-files.js";

export interface ProcessStat {
  readonly parentPid: number;
  /** Clock ticks since boot: with the pid, the identity of a process, because pids are used again. */
  readonly startTime: string;
}

/** Fields 4 and 22 of proc_pid_stat(5); undefined when the process is gone. */
export function readProcessStat(pid: number | "self"): ProcessStat | undefined {
  const text = readValue(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [, parentPid] = fields;
  const startTime = fields[19];
  return parentPid === undefined || startTime === undefined
    ? undefined
    : { parentPid: Number(parentPid), startTime };
}

/** The inode number of our pid namespace: pids mean nothing outside it. */
export function pidNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
  } catch {
    return "0";
  }
}

/** Whether `ancestor` is `pid` itself or one of its parents, as far as /proc still tells. */
export function descendsFrom(pid: number, ancestor: number): boolean {
  for (let current = pid; current > 1; current = readProcessStat(current)?.parentPid ?? 0) {
    if (current === ancestor) return true;
  }
  return false;
}
