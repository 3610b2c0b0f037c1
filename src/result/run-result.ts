import type { LimitName } from "../policy/policy.js";

/** What ended the run. The first reason wins. */
export type Outcome = "exited" | "signaled" | "timed-out" | "out-of-memory" | "output-limit" | "killed";

export interface EnforcedLimit {
  readonly resource: LimitName;
  /** As written in the policy: "512MiB". */
  readonly requested: string;
  /** The mechanism: "cgroup2 memory.max", "rlimit RLIMIT_NPROC", "supervisor", … or "none (best effort)". */
  readonly enforcedBy: string;
}

export type ChangeKind = "created" | "modified" | "deleted" | "mode";

/** One path that differs between an overlay and the directory below it. */
export interface OverlayChange {
  /** Path inside the sandbox. */
  readonly path: string;
  readonly kind: ChangeKind;
  readonly type: "file" | "directory" | "symlink" | "fifo" | "socket" | "device";
  /** Size of a regular file, in bytes. */
  readonly size?: number | undefined;
  /** There were more changes below this directory than are listed (100 000). */
  readonly incomplete?: boolean | undefined;
}

/** What `--commit` did to the host's directories. */
export interface CommitResult {
  /** Files and links, created or replaced. */
  readonly written: number;
  readonly directories: number;
  readonly deleted: number;
  readonly modes: number;
  readonly bytes: number;
  /** Left as they were: special files, links that lead out, names that the host has changed meanwhile. */
  readonly refused: readonly { readonly path: string; readonly reason: string }[];
}

export interface RunResult {
  readonly runId: string;
  readonly outcome: Outcome;
  /** The limit that ended the run, where one did. */
  readonly limit?: LimitName | undefined;
  /** The program's exit status; undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  /** "SIGKILL", …; undefined when it exited by itself. */
  readonly signal: string | undefined;
  readonly wallTimeMs: number;
  readonly cpuTimeMs: { readonly user: number; readonly system: number };
  /** Peak of the whole run where a cgroup counts it, else the largest process's resident set. */
  readonly memoryPeakBytes: number | undefined;
  readonly pidsPeak: number | undefined;
  readonly limits: readonly EnforcedLimit[];
  /** The layers that were confirmed before the program started. */
  readonly layers: readonly string[];
  readonly network: {
    readonly connections: number;
    readonly denied: number;
    readonly bytesIn: number;
    readonly bytesOut: number;
  };
  readonly audit: {
    readonly events: number;
    readonly denied: number;
    readonly dropped: number;
    readonly file: string | undefined;
    readonly sha256: string | undefined;
  };
  readonly changes: readonly OverlayChange[];
  /** Present when changes were to be committed and the program ended with status 0. */
  readonly commit?: CommitResult | undefined;
}
