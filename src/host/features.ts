import { spawnSync } from "node:child_process";
import { SkillboxError } from "../errors.js";

/** What a feature is needed for: every run, or only what the name says. */
export type FeatureGroup = "required" | "limits" | "audit" | "root" | "optional";

interface FeatureDescription {
  readonly group: FeatureGroup;
  /** What skillbox does with it. */
  readonly purpose: string;
  /** The stage of a launch that needs it, and what it is about there: see explainLaunchFailure. */
  readonly stage: string;
  readonly subject?: string;
}

/** By the names that `skillbox-init --probe` prints, in the order of a launch. */
export const featureDescriptions = {
  "user-ns": {
    group: "required",
    stage: "clone",
    purpose: "a user namespace: capabilities over the sandbox alone",
  },
  "mount-ns": { group: "required", stage: "clone", purpose: "a file tree of its own" },
  "pid-ns": {
    group: "required",
    stage: "clone",
    purpose: "no view of the host's processes, and one death for all",
  },
  "net-ns": { group: "required", stage: "clone", purpose: "no network but what the policy grants" },
  "ipc-ns": { group: "required", stage: "clone", purpose: "no shared memory or queues of the host" },
  "uts-ns": { group: "required", stage: "clone", purpose: "a host name of its own" },
  "cgroup-ns": { group: "required", stage: "clone", purpose: "no view of the host's cgroups" },
  tmpfs: { group: "required", stage: "rootfs", subject: "tmpfs", purpose: "the root, /tmp and HOME" },
  "mount-tree": {
    group: "required",
    stage: "rootfs",
    purpose: "read-only, nosuid, nodev mounts of what is granted",
  },
  "pivot-root": { group: "required", stage: "rootfs", purpose: "the host's tree gone from view" },
  proc: {
    group: "required",
    stage: "rootfs",
    subject: "proc",
    purpose: "/proc of the sandbox's own processes",
  },
  "no-more-user-ns": {
    group: "required",
    stage: "rootfs",
    subject: "proc",
    purpose: "no user namespaces inside",
  },
  devpts: { group: "required", stage: "rootfs", subject: "devpts", purpose: "terminals of its own" },
  "overlay-read": {
    group: "required",
    stage: "rootfs",
    subject: "overlay",
    purpose: "read grants in which the host's sockets and FIFOs are inert",
  },
  openat2: { group: "required", stage: "sources", purpose: "grants opened without following links" },
  "close-range": { group: "required", stage: "init", purpose: "no descriptor of the caller's left open" },
  pidfd: {
    group: "required",
    stage: "spawn",
    purpose: "signals and exits without mistaking a process for another",
  },
  "seccomp-filter": { group: "required", stage: "seccomp", purpose: "the list of denied system calls" },
  "clone-into-cgroup": {
    group: "limits",
    stage: "cgroup",
    purpose: "limits in force from the first instruction",
  },
  "cgroup-kill": { group: "limits", stage: "cgroup", purpose: "a cgroup killed at once" },
  "seccomp-notify": { group: "audit", stage: "seccomp", purpose: "system calls on record as they are made" },
  "pidfd-getfd": {
    group: "audit",
    stage: "audit",
    purpose: "decisions on a copy of the program's descriptor",
  },
  "process-vm-readv": { group: "audit", stage: "audit", purpose: "paths and addresses in the record" },
  "seccomp-wait-killable": {
    group: "audit",
    stage: "seccomp",
    purpose: "no system call interrupted because it is on record (Linux 5.19)",
  },
  "seccomp-sync-wake-up": { group: "audit", stage: "seccomp", purpose: "audit at half the cost (Linux 6.6)" },
  "idmapped-mount": {
    group: "root",
    stage: "sources",
    purpose: "root's grants, used by an unprivileged uid",
  },
  "idmapped-tmpfs": { group: "root", stage: "sources", purpose: "the same for grants on tmpfs (Linux 6.3)" },
  "overlay-idmapped": { group: "root", stage: "sources", purpose: "the same below an overlay (Linux 5.19)" },
  "overlay-write": {
    group: "optional",
    stage: "rootfs",
    subject: "overlay",
    purpose: "copy-on-write grants",
  },
  "overlay-replace": {
    group: "optional",
    stage: "rootfs",
    subject: "overlay",
    purpose: "their changes kept in memory; on disk without it (Linux 6.6)",
  },
  ipv6: { group: "optional", stage: "network", purpose: "::1 inside" },
  landlock: { group: "optional", stage: "landlock", purpose: "for bug reports; no layer rests on it yet" },
} as const satisfies Record<string, FeatureDescription>;

export type FeatureName = keyof typeof featureDescriptions;
export const featureNames = Object.keys(featureDescriptions).filter(isFeatureName);

export type FeatureResult =
  | { readonly status: "ok" }
  | { readonly status: "missing"; readonly errno: string; readonly operation: string }
  /** It could not be tried here. */
  | { readonly status: "unknown"; readonly operation: string };

export type HostFeatures = ReadonlyMap<FeatureName, FeatureResult>;

/** Tries every feature by running `skillbox-init --probe`, which takes some 200 ms. Throws where it does not run. */
export function probeHost(initPath: string): HostFeatures {
  const { stdout, error, status } = spawnSync(initPath, ["--probe"], {
    encoding: "utf8",
    env: {},
    stdio: ["ignore", "pipe", "ignore"],
    timeout: 60_000,
  });
  const results = parseProbe(error === undefined ? stdout : "");
  if (error !== undefined || results.size === 0) {
    throw new SkillboxError("ERR_HOST", `${initPath} --probe does not run (status ${String(status)})`, {
      hint: "it is built by `npm ci` or `npm run build:native`; is its file system mounted noexec?",
      cause: error,
    });
  }
  return results;
}

/** The lines of native/init/probe.h. A name that this version does not know is left out, not an error. */
export function parseProbe(output: string): HostFeatures {
  const results = new Map<FeatureName, FeatureResult>();
  for (const line of output.split("\n")) {
    const [name, outcome, operation = ""] = line.split("\t");
    if (name === undefined || outcome === undefined || !isFeatureName(name)) continue;
    results.set(name, outcome === "ok" ? { status: "ok" } : judge(name, outcome, operation));
  }
  return results;
}

function judge(name: FeatureName, errno: string, operation: string): FeatureResult {
  // ENODATA: we stand in the root cgroup, which has no such file. The probe clones into the caller's own cgroup, which
  // may not be its own to write to: a refusal shows that the kernel knows the flag.
  if (name === "cgroup-kill" && errno === "ENODATA") return { status: "unknown", operation };
  if (name === "clone-into-cgroup" && ["EACCES", "EBUSY"].includes(errno)) return { status: "ok" };
  return { status: "missing", errno, operation };
}

function isFeatureName(name: string): name is FeatureName {
  return Object.hasOwn(featureDescriptions, name);
}
