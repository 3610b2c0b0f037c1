import { pidNamespace, readProcessStat } from "../host/process-stat.js";

/**
 * `skillbox-PID-STARTTIME-PIDNS-RUNID`: the process that answers for a directory. The pid alone would be a different
 * process some day, and says nothing in another pid namespace that sees the same tree.
 */
export function ownedName(runId: string): string {
  const startTime = readProcessStat("self")?.startTime ?? "0";
  return `skillbox-${process.pid}-${startTime}-${pidNamespace()}-${runId}`;
}

const namePattern = /^skillbox-(\d+)-(\d+)-(\d+)-./;

/** Whether the process that answers for a directory of this name is gone. False for a name that is not ours to judge. */
export function isOrphan(name: string): boolean {
  const [, pid, startTime, namespace] = namePattern.exec(name) ?? [];
  if (pid === undefined || namespace !== pidNamespace()) return false;
  return readProcessStat(Number(pid))?.startTime !== startTime;
}
