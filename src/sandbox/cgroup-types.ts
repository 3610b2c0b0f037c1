import type { CgroupLimit } from "../host/cgroup-support.js";

export interface IoLimit {
  /** "MAJOR:MINOR" of a whole block device, as in /proc/partitions. */
  readonly device: string;
  readonly readBytesPerSecond?: number | undefined;
  readonly writeBytesPerSecond?: number | undefined;
}

export interface CgroupRequest {
  /** Becomes part of the directory's name: letters, digits, "-" and "_". */
  readonly runId: string;
  readonly memoryBytes?: number | undefined;
  /** Cores; 0.5 is half the time of one. */
  readonly cpus?: number | undefined;
  readonly pids?: number | undefined;
  readonly ioMax?: readonly IoLimit[] | undefined;
  /**
   * The process that will write itself into the cgroup, or whose children will; this one by default. In a login
   * session it is moved into a systemd scope, which takes some milliseconds once: give the launching process here,
   * alive and single-purpose, because it leaves the cgroup that it was born in.
   */
  readonly holderPid?: number | undefined;
}

export interface CgroupStats {
  readonly memoryPeakBytes: number | undefined;
  readonly pidsPeak: number | undefined;
  readonly cpuUserMs: number | undefined;
  readonly cpuSystemMs: number | undefined;
  /** Processes that the kernel killed because the memory limit was reached. */
  readonly oomKills: number;
  /** Forks that failed because of the pids limit. */
  readonly pidsRefused: number;
}

/**
 * One run's cgroup: a directory of cgroup2, or one in each v1 hierarchy that a limit needs. All methods may be called
 * again, and after the directories are gone.
 */
export interface Cgroup {
  /** Files to write "0" to, each, from the process that will clone the sandbox (or its pid, from elsewhere). */
  readonly procsFiles: readonly string[];
  /** The cgroup2 directory, for clone3(CLONE_INTO_CGROUP); undefined where every limit is on v1. */
  readonly directory: string | undefined;
  /** "cgroup2 memory.max"; undefined for a limit that was not asked for. */
  enforcedBy(limit: CgroupLimit): string | undefined;
  stats(): CgroupStats;
  /** SIGKILL to everything inside. On v1 this signals one by one, so that it takes the death of PID 1 to be sure. */
  kill(): void;
  /**
   * Kills what is left and removes the directories, waiting up to two seconds for processes to finish dying.
   * False where something is still there (a process in uninterruptible sleep): a later run's clearing takes it away.
   */
  remove(): Promise<boolean>;
}
