import { spawn } from "node:child_process";
import { chownSync, cpSync, existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { collected } from "../helpers/collected.js";
import { exec } from "../helpers/exec.js";
import type { Scratch } from "../helpers/scratch.js";

/**
 * Programs of others are run twice: inside, and outside of a sandbox but in namespaces of their own, as an ordinary user (tests
 * of kernels and of file systems are nothing to be let loose on a host). What differs then is the sandbox's doing.
 */
const root = path.resolve(import.meta.dirname, "../../..");
const installed = path.join(root, "build-dev/suites");

export const isInstalled = existsSync(path.join(installed, "complete"));

/** Where test/suites/install.sh put a suite. */
export function suite(name: string): string {
  return path.join(installed, name);
}

export function program(name: string): string {
  return path.join(root, "test/suites/programs", name);
}

/** The uid of a root caller's program inside (ARCHITECTURE.md), and so outside too. */
const testerUid = 1000;
const isRoot = process.geteuid?.() === 0;

/** A directory that the program may write to, inside or outside, perhaps with a copy of a suite in it. */
export function workplace(box: Scratch, name: string, copied?: string): string {
  const folder = box.directory(`work/${name}`);
  if (copied !== undefined) cpSync(copied, folder, { recursive: true });
  mkdirSync(path.join(folder, "home"), { recursive: true });
  return folder;
}

/** Everything that a run wrote to stdout and stderr, however it ended. */
export async function runInside(
  box: Scratch,
  folder: string,
  argv: readonly string[],
  policy: string,
): Promise<string> {
  const { stdout, stderr } = await exec(box, argv, {
    cwd: folder,
    policy,
    environment: { PATH: systemPath },
  });
  return stdout + stderr;
}

export interface Outside {
  /** All capabilities in a namespace of its own, as tests of the kernel need them. */
  readonly asRoot: boolean;
}

export async function runOutside(
  folder: string,
  argv: readonly string[],
  { asRoot }: Outside,
): Promise<string> {
  if (isRoot) for (const each of [folder, path.join(folder, "home")]) chownSync(each, testerUid, testerUid);
  const ordinary = isRoot
    ? ["setpriv", `--reuid=${testerUid}`, `--regid=${testerUid}`, "--clear-groups"]
    : [];
  const namespaces = [
    "--net",
    "--ipc",
    "--uts",
    "--pid",
    "--fork",
    "--mount",
    "--mount-proc",
    "--kill-child",
  ];
  const identity = asRoot ? ["--map-root-user"] : ["--map-current-user", "--keep-caps"];
  const settle = asRoot ? 'exec "$@"' : 'exec setpriv --ambient-caps=-all --inh-caps=-all -- "$@"';
  const shell = ["sh", "-c", `ip link set lo up && ${settle}`, "sh"];
  const line = [...ordinary, "unshare", "--user", ...identity, ...namespaces, ...shell, ...argv];
  const [command = "", ...args] = line;
  const child = spawn(command, args, {
    cwd: folder,
    env: { PATH: systemPath, HOME: path.join(folder, "home"), LANG: "C.UTF-8" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 600_000,
    killSignal: "SIGKILL",
  });
  const { stdout, stderr } = await collected(child);
  return stdout + stderr;
}

/** Without the caller's own directories, which would be there outside and not inside. */
const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin";
