/**
 * What native code carries out: the root filesystem as an ordered list of operations, who the program is, and the
 * filter. Pure data: the same policy on the same host gives the same plan. What differs from run to run (inode
 * numbers, cgroup paths) are facts beside it.
 */

/** A path of the host that becomes visible inside. */
export interface MountSource {
  /** Absolute, every symbolic link resolved. */
  readonly path: string;
  readonly kind: "any" | "directory" | "file" | "device";
  /** For a root caller: show the owner's files as the program's own. */
  readonly idmapped: boolean;
}

export type MountAttribute = "ro" | "nosuid" | "nodev" | "noexec";

interface Operation {
  /** Absolute path inside. */
  readonly target: string;
  /** A target that is not there is skipped. */
  readonly optional?: boolean;
}

/** Creates an entry on a file system of the sandbox's own; on a host's file system it is refused. */
export type CreateOperation = Operation &
  (
    | { readonly type: "directory"; readonly mode: number }
    | { readonly type: "file"; readonly mode: number; readonly content: string }
    | { readonly type: "symlink"; readonly linkTarget: string }
  );

export type MountOperation = Operation & { readonly attributes: readonly MountAttribute[] } & (
    | { readonly type: "bind"; readonly source: MountSource }
    | { readonly type: "tmpfs"; readonly sizeBytes: number; readonly inodes: number; readonly mode: number }
    | { readonly type: "proc" }
    | { readonly type: "devpts" }
    /** Read-only overlay: the host's sockets and FIFOs below it have nobody at the other end. */
    | { readonly type: "overlay-read"; readonly source: MountSource }
    /** Copy-on-write: in a tmpfs of `sizeBytes`, or in `upper`, an empty directory on disk. */
    | {
        readonly type: "overlay-write";
        readonly source: MountSource;
        readonly sizeBytes: number;
        readonly inodes: number;
        readonly upper: MountSource | undefined;
      }
    /** OCI maskedPaths: an empty, unreadable file or directory on top. */
    | { readonly type: "mask" }
    /** OCI readonlyPaths. */
    | { readonly type: "read-only" }
  );

export type RootOperation = CreateOperation | MountOperation;

export interface LaunchPlan {
  readonly hostname: string;
  /** Inside. */
  readonly user: { readonly uid: number; readonly gid: number };
  readonly operations: readonly RootOperation[];
  /** Every address leads to sockets of skillbox's; without it there is only `lo`'s own. */
  readonly egress: boolean;
  readonly seccomp: {
    /** struct sock_filter[]; empty: no filter. */
    readonly program: Uint8Array;
    readonly listener: boolean;
  };
}

export interface SourceFacts {
  readonly device: bigint;
  readonly inode: bigint;
  readonly uid: number;
  readonly gid: number;
}

export interface LaunchFacts {
  readonly rootCaller: boolean;
  /** Of an ordinary caller. */
  readonly outside: { readonly uid: number; readonly gid: number };
  /** By source path. */
  readonly sources: ReadonlyMap<string, SourceFacts>;
  /** cgroup.procs files to enter before the clone. */
  readonly cgroupFiles: readonly string[];
  /** cgroup v2 directory to clone into. */
  readonly cgroupDirectory: string | undefined;
}

export interface Rlimit {
  readonly type: RlimitName;
  readonly soft: bigint;
  readonly hard: bigint;
}

/** asm-generic/resource.h; the same numbers on x86-64 and arm64. */
export const rlimitNumbers = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_CORE: 4,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
} as const;
export type RlimitName = keyof typeof rlimitNumbers;

export interface TerminalSize {
  readonly rows: number;
  readonly columns: number;
}

/** A program to start in a sandbox. */
export interface ProcessPlan {
  readonly id: number;
  /** The sandbox ends with this program. */
  readonly oneshot: boolean;
  /** A terminal of this size is its descriptors 0 to 2. */
  readonly terminal: TerminalSize | undefined;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  /** Absolute paths inside, tried in order. */
  readonly candidates: readonly string[];
  readonly umask: number;
  readonly wallTimeMs: number | undefined;
  readonly cpuTimeMs: number | undefined;
  readonly rlimits: readonly Rlimit[];
}
