/**
 * The only place that loads the addon, and the types of all that it offers. Descriptors are plain numbers; whoever
 * receives one owns it. Errors carry `errno` (negative), `code` and `syscall`, wrong arguments are TypeErrors.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { SkillboxError } from "../errors.js";
import { packageRoot } from "../package-root.js";

export interface Channel {
  /** One message; descriptors are duplicated, not handed over. Silently dropped when the sandbox is gone. */
  send(message: Uint8Array, fds: readonly number[]): void;
  /** Ends the sandbox with everything in it; what it has said by then is still received. */
  shutdown(): void;
}

/** Opaque: what {@link Binding.loadAuditTables} made of the encoded tables. */
export interface AuditTables {
  readonly auditTables: unique symbol;
}

/** A connect() or send to an address outside the sandbox; its task waits for {@link Binding.answerHeld}. */
export interface HeldCall {
  readonly key: number;
  /** Of its event, `"type":…` up to the arguments; who decides adds the verdict. */
  readonly members: string;
  /** IPv4-mapped ones as IPv4. */
  readonly address: string;
  readonly port: number;
  /** False: it sends. */
  readonly connects: boolean;
  readonly datagram: boolean;
  /** The program has other things to do meanwhile. */
  readonly nonBlocking: boolean;
}

/** A UDP socket that may be bound to every address, and answers from the one that was asked. */
export interface Datagram {
  /** Full buffers drop, as UDP does. */
  send(data: Uint8Array, peer: string, peerPort: number, local: string): void;
  close(): void;
}

/** A listener in a sandbox's network namespace. */
export interface Listener {
  close(): void;
}

export interface RecordStatus {
  readonly events: number;
  readonly denied: number;
  readonly dropped: number;
  readonly bytes: number;
  /** Of the last write that failed; 0: none did. */
  readonly errno: number;
  /** maxBytes was reached. */
  readonly full: boolean;
}

export interface AuditRecord {
  /** An event's members without braces, `"type":…`. False: the record has failed and the run is to stop. */
  write(members: string, denied: boolean): boolean;
  /**
   * Takes a seccomp listener over: its calls are recorded and answered. `init` is the pid of PID 1, killed when the record
   * fails; `verdicts` a filter that says what is to be refused.
   */
  supervise(
    listener: number,
    init: number,
    tables: AuditTables,
    view: Uint8Array,
    verdicts: Uint8Array,
    onHeld: ((call: HeldCall) => void) | undefined,
    /** Told in each event; 0: the sandbox runs one program. */
    program: number,
  ): void;
  /** Waits, for microseconds, until all of the dead tasks' calls are recorded and written. */
  drain(): void;
  /** Writes what is left, and says in the record what was lost. What is to come is the last event, or nothing. */
  settle(): boolean;
  /** The last event; room is kept for it. */
  close(members: string): boolean;
  /** Lets go of the file, once all is written. */
  release(): void;
  status(): RecordStatus;
}

export interface OverlayEntry {
  /** Relative, raw bytes. */
  readonly path: Buffer;
  readonly kind: "created" | "modified" | "deleted" | "mode";
  readonly type: "file" | "directory" | "symlink" | "fifo" | "socket" | "device";
  readonly size: number;
  readonly mode: number;
}

export interface OverlayChanges {
  readonly entries: readonly OverlayEntry[];
  /** There are more than 100 000, or their paths are longer than 32 MiB together. */
  readonly truncated: boolean;
  /** Entries whose path is longer than PATH_MAX; not looked into. */
  readonly tooDeep: number;
}

export interface OverlayCommit {
  readonly written: number;
  readonly directories: number;
  readonly deleted: number;
  readonly modes: number;
  readonly bytes: number;
  readonly refused: readonly { readonly path: Buffer; readonly reason: string; readonly errno: number }[];
  readonly refusedUnlisted: number;
}

export interface Binding {
  /**
   * Starts skillbox-init, whose first message has to bring the plan (a memfd); `inCgroup`: which names a cgroup. `onMessage` gets
   * undefined once, when the other end is gone, or when what it said could not be received: `errno` says why then, and is 0
   * otherwise.
   */
  launch(
    initPath: string,
    inCgroup: boolean,
    onMessage: (message: Uint8Array | undefined, fds: readonly number[], errno: number) => void,
  ): Channel;
  /** Takes the pidfd over, and says when the process and, for a PID 1, all in its namespace are gone. */
  watchExit(pidfd: number, onExit: () => void): void;
  /** False when the process is gone. */
  signalProcess(pidfd: number, signal: number): boolean;
  /** What lies in an overlay's upper directory, against the lower one. The sandbox must be still. */
  overlayChanges(upper: number, lower: number): Promise<OverlayChanges>;
  /** Applies it to a directory of the host; what is created there gets uid and gid, -1: the caller's. */
  overlayCommit(upper: number, target: number, uid: number, gid: number): Promise<OverlayCommit>;
  /** Whether a tmpfs can be the upper layer of an overlay in a user namespace: Linux 6.6. */
  tmpfsHasUserXattrs(): boolean;
  /** Binds a socket of a sandbox's network namespace to an address and port there, and listens. */
  bindListen(fd: number, address: string, port: number): void;
  /**
   * The same for a listener that finds a place beside servers of the sandbox that have the port at every address. Takes the socket
   * over, also where it throws; who gets an accepted one has to close it.
   */
  openListener(fd: number, address: string, port: number, onAccepted: (fd: number) => void): Listener;
  /** The same for a UDP socket. */
  bindDatagram(fd: number, address: string, port: number): void;
  /** Takes the bound socket over. */
  openDatagram(
    fd: number,
    onMessage: (data: Uint8Array, peer: string, peerPort: number, local: string) => void,
  ): Datagram;
  /** Lets a held call go on (0), or fail with an errno. */
  answerHeld(key: number, errno: number): void;
  /** Keeps a copy of the descriptor; -1: events are only counted. `maxBytes` 0: no bound. */
  openRecord(fd: number, run: string, maxBytes: number, stopOnFailure: boolean): AuditRecord;
  loadAuditTables(bytes: Uint8Array): AuditTables;
  /** A sealed memfd. */
  memfd(name: string, bytes: Uint8Array): number;
  /** [read end, write end], CLOEXEC. */
  pipe(): [number, number];
  /** For descriptors that came from here: node:fs warns in a worker about those that it did not open. */
  closeFd(fd: number): void;
  /** Of a terminal: [rows, columns]. */
  windowSize(fd: number): [number, number] | undefined;
  /** Of a terminal's master end: who uses the other end gets SIGWINCH. */
  setWindowSize(fd: number, rows: number, columns: number): void;
  /** Returns how the terminal was before, for {@link restoreTerminal}. */
  makeRaw(fd: number): Uint8Array;
  restoreTerminal(fd: number, before: Uint8Array): void;
  /** Drops what a terminal has to be read. */
  flushInput(fd: number): void;
  /** O_* of fcntl(F_GETFL). */
  statusFlags(fd: number): number;
}

export interface Native {
  readonly binding: Binding;
  /** skillbox-init. */
  readonly initPath: string;
}

/** Loads addon and helper, from a prebuild or from the checkout's own build. */
export function loadNative(): Native {
  const root = packageRoot();
  const directories = [join(root, "build", "Release"), join(root, "prebuilds", `linux-${process.arch}`)];
  const directory = directories.find((candidate) => existsSync(join(candidate, "skillbox-init")));
  if (directory === undefined) {
    throw new SkillboxError(
      "ERR_HOST",
      `the native part of skillbox is not built for linux-${process.arch}`,
      {
        hint: "run `npx skillbox build-native`, in a checkout `npm ci`; it needs a C++ compiler",
      },
    );
  }
  const load = createRequire(import.meta.url);
  try {
    return {
      binding: load(join(directory, "skillbox.node")) as Binding,
      initPath: join(directory, "skillbox-init"),
    };
  } catch (cause) {
    throw new SkillboxError("ERR_HOST", `the native part in ${directory} does not load: ${String(cause)}`, {
      hint: "it was built for another C library or another machine: run `npx skillbox build-native`",
      cause,
    });
  }
}
