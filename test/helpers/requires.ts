import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import path from "node:path";
import type { ExecutionContext, TestFn } from "ava";

export type Feature =
  | "root"
  | "ordinary-user"
  /** A v1 memory controller in which this caller may make a group. */
  | "cgroup-v1"
  /** Memory and pids controllers of v2, delegated to this caller or to be had from its systemd user manager. */
  | "cgroup-v2"
  /** A systemd user manager that can delegate a cgroup. */
  | "systemd-user"
  /** A user namespace with a mount namespace in it, as this caller. */
  | "userns"
  /** An overlay mounted inside such a namespace. */
  | "overlay-userns"
  | "ipv6"
  | `program:${string}`
  /** What another script has built. */
  | `file:${string}`;

type Implementation<Context> = (t: ExecutionContext<Context>) => void | Promise<void>;

/** The part of ava's `test` that a test with needs can use. */
export interface ConditionalTest<Context> {
  (title: string, implementation: Implementation<Context>): void;
  serial(title: string, implementation: Implementation<Context>): void;
}

/**
 * ava's `test` for tests that need something of the machine or the caller:
 *
 *     const liveTest = requires(test, "userns", "program:python3");
 *     liveTest("python3 starts", async (t) => { … });
 *
 * Where a feature is missing, the test is skipped with the reason in its title. A skip is a failure instead where
 * `SKILLBOX_TEST_MUST_RUN=1`, or where `SKILLBOX_TEST_MAY_SKIP` is set and does not list the feature
 * ("cgroup-v2,root"; may be empty): CI says so what its machine has, and a broken probe cannot hide a suite.
 */
export function requires<Context>(test: TestFn<Context>, ...features: Feature[]): ConditionalTest<Context> {
  const missing = features.filter((feature) => !has(feature));
  const forbidden = missing.filter((feature) => !maySkip(feature));
  if (missing.length === 0) {
    return conditional(
      (title, implementation) => {
        test(title, implementation);
      },
      (title, implementation) => {
        test.serial(title, implementation);
      },
    );
  }
  if (forbidden.length > 0) {
    return conditional((title) => {
      test(title, (t) => {
        t.fail(`This machine and caller must be able to run it: ${forbidden.map(reason).join(", ")}`);
      });
    });
  }
  return conditional((title, implementation) => {
    test.skip(`${title} # skipped: ${missing.map(reason).join(", ")}`, implementation);
  });
}

type Declare<Context> = (title: string, implementation: Implementation<Context>) => void;

function conditional<Context>(declare: Declare<Context>, serial = declare): ConditionalTest<Context> {
  return Object.assign(
    (title: string, implementation: Implementation<Context>) => {
      declare(title, implementation);
    },
    { serial },
  );
}

/** For tests that scan: each entry point runs in a sandbox, on a copy-on-write copy of the skill. */
export function requiresScan<Context>(
  test: TestFn<Context>,
  ...programs: readonly `program:${string}`[]
): ConditionalTest<Context> {
  return requires(test, "userns", "overlay-userns", ...programs);
}

const found = new Map<Feature, boolean>();

/** Whether this machine and caller have the feature; tried once a process. */
export function has(feature: Feature): boolean {
  const known = found.get(feature);
  if (known !== undefined) return known;
  const result = probe(feature);
  found.set(feature, result);
  return result;
}

function probe(feature: Feature): boolean {
  switch (feature) {
    case "root":
      return isRoot();
    case "ordinary-user":
      return !isRoot();
    case "cgroup-v1":
      return cgroupFolders("memory").some((folder) => isWritable(folder));
    case "cgroup-v2":
      return cgroupFolders("").some((folder) => isDelegated(folder)) || has("systemd-user");
    case "systemd-user":
      return succeeds("busctl", "--user", "get-property", ...systemdManager, "Version");
    case "userns":
      return succeeds("unshare", "--user", "--map-root-user", "--mount", "true");
    case "overlay-userns":
      return mountsOverlay();
    case "ipv6":
      return Object.values(networkInterfaces()).some((list) =>
        list?.some(({ address }) => address === "::1"),
      );
    default:
      return feature.startsWith("file:")
        ? existsSync(feature.slice("file:".length))
        : isOnPath(feature.slice("program:".length));
  }
}

const systemdManager = [
  "org.freedesktop.systemd1",
  "/org/freedesktop/systemd1",
  "org.freedesktop.systemd1.Manager",
];

function maySkip(feature: Feature): boolean {
  if (process.env["SKILLBOX_TEST_MUST_RUN"] === "1") return false;
  const allowed = process.env["SKILLBOX_TEST_MAY_SKIP"];
  return allowed === undefined || allowed.split(",").includes(feature);
}

function reason(feature: Feature): string {
  return feature === "ordinary-user" ? "needs a caller that is not root" : `needs ${feature}`;
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}

/**
 * This process's own group and those above it in one hierarchy: that of a v1 controller, or of v2 (""). The
 * nearest one first; empty where the hierarchy is not mounted.
 */
function cgroupFolders(controller: string): string[] {
  const mountPoint = cgroupMountPoint(controller);
  const line = readLines("/proc/self/cgroup").find((text) =>
    text.split(":")[1]?.split(",").includes(controller),
  );
  if (mountPoint === undefined || line === undefined) return [];
  const folders: string[] = [];
  for (let group = line.split(":").slice(2).join(":"); group !== "/"; group = path.dirname(group)) {
    folders.push(path.join(mountPoint, group));
  }
  return [...folders, mountPoint];
}

/** The fields of mountinfo are in proc_pid_mountinfo(5): the file system's type and options follow " - ". */
function cgroupMountPoint(controller: string): string | undefined {
  for (const line of readLines("/proc/self/mountinfo")) {
    const [left, right] = line.split(" - ");
    const [type, , options] = right?.split(" ") ?? [];
    const matches =
      controller === "" ? type === "cgroup2" : type === "cgroup" && options?.split(",").includes(controller);
    if (matches === true) return left?.split(" ")[4];
  }
  return undefined;
}

/** A hybrid host mounts cgroup2 too, but with no controller in it. */
function isDelegated(folder: string): boolean {
  const controllers = readLines(path.join(folder, "cgroup.controllers")).join(" ").split(" ");
  return controllers.includes("memory") && controllers.includes("pids") && isWritable(folder);
}

function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function mountsOverlay(): boolean {
  const scratch = mkdtempSync(path.join(tmpdir(), "overlay-probe-"));
  const script =
    'mount -t tmpfs none "$1" && cd "$1" && mkdir lower upper work merged && ' +
    "mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work merged";
  try {
    return succeeds("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", scratch);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function isOnPath(program: string): boolean {
  // Servers lie where an ordinary user's PATH does not lead.
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/sbin", ...postgresFolders()];
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Debian keeps each version's programs in a folder of its own; the newest first. */
export function postgresFolders(): readonly string[] {
  const versions = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql") : [];
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `/usr/lib/postgresql/${version}/bin`);
}

function succeeds(program: string, ...args: string[]): boolean {
  return spawnSync(program, args, { stdio: "ignore", timeout: 30_000 }).status === 0;
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n");
  } catch {
    return [];
  }
}
