/**
 * The only place that loads the addon, and the types of all that it offers. Descriptors are plain numbers; whoever
 * receives one owns it. Errors carry `errno` (negative) and `syscall`, wrong arguments are TypeErrors.
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

export interface Binding {
  /** Starts skillbox-init; `onMessage` gets undefined once, when the other end is gone. */
  launch(
    initPath: string,
    plan: Uint8Array,
    onMessage: (message: Uint8Array | undefined, fds: readonly number[]) => void,
  ): Channel;
  /** Takes the pidfd over, and says when the process and, for a PID 1, all in its namespace are gone. */
  watchExit(pidfd: number, onExit: () => void): void;
  /** False when the process is gone. */
  signalProcess(pidfd: number, signal: number): boolean;
  /** A sealed memfd. */
  memfd(name: string, bytes: Uint8Array): number;
  /** [read end, write end], CLOEXEC. */
  pipe(): [number, number];
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
  const directories = [
    join(root, "build", "Release"),
    join(root, "prebuilds", `linux-${process.arch}`),
  ];
  const directory = directories.find((candidate) => existsSync(join(candidate, "skillbox-init")));
  if (directory === undefined) {
    throw new SkillboxError("ERR_HOST", `the native part of skillbox is not built for linux-${process.arch}`, {
      hint: "in a checkout run `npm ci` (or `npm run build:native`); it needs a C++ compiler",
    });
  }
  const load = createRequire(import.meta.url);
  try {
    return { binding: load(join(directory, "skillbox.node")) as Binding, initPath: join(directory, "skillbox-init") };
  } catch (cause) {
    throw new SkillboxError("ERR_HOST", `the native part in ${directory} does not load`, {
      hint: "it was built for another Node or another machine: run `npm run build:native`",
      cause,
    });
  }
}
