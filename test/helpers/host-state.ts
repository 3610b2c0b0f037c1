import { readFileSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** What a run may leave behind on the host, one line a thing, so that a difference reads as the list of leaks. */
export interface HostState {
  /** Processes started from here that are skillbox's or in a pid namespace below ours: "1234 skillbox-init …". */
  readonly processes: ReadonlySet<string>;
  /** Lines of /proc/self/mountinfo. */
  readonly mounts: ReadonlySet<string>;
  /** Directories named skillbox-* in any cgroup hierarchy. */
  readonly cgroups: ReadonlySet<string>;
  /** Entries named skillbox-* where temporary files go. */
  readonly temporaryFiles: ReadonlySet<string>;
}

export function snapshotHost(): HostState {
  return {
    processes: new Set(sandboxProcesses()),
    mounts: new Set(readText("/proc/self/mountinfo").trimEnd().split("\n")),
    cgroups: new Set(skillboxFolders("/sys/fs/cgroup")),
    temporaryFiles: new Set(temporaryFolders().flatMap(skillboxEntries)),
  };
}

/**
 * Throws with the list of what is there now and was not there before. A process that was killed and a cgroup that
 * was emptied take the kernel a moment to be gone: they get `withinMs` for it.
 */
export async function assertUnchanged(before: HostState, { withinMs = 1000 } = {}): Promise<void> {
  const deadline = performance.now() + withinMs;
  let left = leftBehind(before);
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(20);
    left = leftBehind(before);
  }
  if (left.length > 0) throw new Error(`Left behind on the host:\n  ${left.join("\n  ")}`);
}

function leftBehind(before: HostState): string[] {
  const now = snapshotHost();
  return [
    ...added("process", before.processes, now.processes),
    ...added("mount", before.mounts, now.mounts),
    ...added("cgroup", before.cgroups, now.cgroups),
    ...added("file", before.temporaryFiles, now.temporaryFiles),
  ];
}

function added(kind: string, before: ReadonlySet<string>, now: ReadonlySet<string>): string[] {
  return [...now].filter((item) => !before.has(item)).map((item) => `${kind} ${item}`);
}

interface Process {
  readonly argv: readonly string[];
  readonly parent: string;
  readonly isZombie: boolean;
  readonly isSandbox: boolean;
}

/**
 * Those that descend from this process, and the orphans among them: an orphan goes to the nearest ancestor of ours
 * that takes them (pid 1, or a service manager). Another test run on the same host has a parent of its own.
 */
function sandboxProcesses(): string[] {
  const processes = readProcesses();
  const own = String(process.pid);
  const above = new Set(ancestors(own, processes));
  return [...processes]
    .filter(([pid, { isSandbox, isZombie, parent }]) => {
      // A dead orphan is for its new parent to collect.
      if (!isSandbox || (isZombie && parent !== own)) return false;
      const line = ancestors(pid, processes);
      const supervisor = line.find((ancestor) => processes.get(ancestor)?.isSandbox !== true);
      return line.includes(own) || (supervisor !== undefined && above.has(supervisor));
    })
    .map(([pid, { argv }]) => `${pid} ${argv.join(" ")}`);
}

function ancestors(pid: string, processes: ReadonlyMap<string, Process>): string[] {
  const parent = processes.get(pid)?.parent;
  return parent === undefined || parent === "0" ? [] : [parent, ...ancestors(parent, processes)];
}

function readProcesses(): Map<string, Process> {
  const ownDepth = pidNamespaceDepth(readText("/proc/self/status"));
  const processes = new Map<string, Process>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const status = readText(`/proc/${pid}/status`);
    const argv = readText(`/proc/${pid}/cmdline`)
      .split("\0")
      .filter((argument) => argument !== "");
    const isNamed = argv.slice(0, 2).some((argument) => path.basename(argument).startsWith("skillbox"));
    processes.set(pid, {
      argv,
      parent: /^PPid:\s+(\d+)$/m.exec(status)?.[1] ?? "0",
      isZombie: /^State:\s+[ZX]/m.test(status),
      isSandbox: isNamed || pidNamespaceDepth(status) > ownDepth,
    });
  }
  return processes;
}

/** In how many pid namespaces a process is: NSpid lists its pid in each of them (proc_pid_status(5)). */
function pidNamespaceDepth(status: string): number {
  return /^NSpid:(.*)$/m.exec(status)?.[1]?.trim().split(/\s+/).length ?? 0;
}

function skillboxFolders(folder: string): string[] {
  return readEntries(folder)
    .filter((entry) => entry.isDirectory())
    .flatMap((entry) => {
      const child = path.join(folder, entry.name);
      return [...(entry.name.startsWith("skillbox-") ? [child] : []), ...skillboxFolders(child)];
    });
}

function temporaryFolders(): string[] {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  return [...new Set([tmpdir(), "/tmp", "/dev/shm", ...(runtime === undefined ? [] : [runtime])])];
}

function skillboxEntries(folder: string): string[] {
  return readEntries(folder)
    .filter((entry) => entry.name.startsWith("skillbox-"))
    .map((entry) => path.join(folder, entry.name));
}

/** A process or a cgroup may go while we look at it: then it has nothing to show. */
function readEntries(folder: string): ReturnType<typeof listEntries> {
  try {
    return listEntries(folder);
  } catch {
    return [];
  }
}

function listEntries(folder: string) {
  return readdirSync(folder, { withFileTypes: true });
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
