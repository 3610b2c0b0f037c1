import { release } from "node:os";
import { parseMountinfo, type MountinfoEntry } from "./mountinfo.js";
import { exists, readNumber, readValue } from "./pseudo-files.js";

/** What tells why a host refuses something. Nothing here decides whether it does: that is found by trying. */
export interface HostFacts {
  readonly kernelRelease: string;
  readonly isRoot: boolean;
  /** What we run in, where that can be told; each engine has its own way to be asked for more. */
  readonly container: "docker" | "podman" | "kubernetes" | "lxc" | "other" | undefined;
  /** A seccomp filter was on this process before we came. */
  readonly filtered: boolean;
  /** The root directory is not a mount: chroot(2), in which the kernel makes no user namespaces. */
  readonly chrooted: boolean;
  /** Parts of /proc lie under other mounts; then the kernel gives a new user namespace no proc of its own. */
  readonly procMasked: boolean;
  /** sysctl values; undefined where the kernel has no such sysctl. */
  readonly unprivilegedUsernsClone: number | undefined;
  readonly maxUserNamespaces: number | undefined;
  readonly apparmorRestrictUserns: number | undefined;
  readonly yamaPtraceScope: number | undefined;
  /** The AppArmor or SELinux label of this process. */
  readonly label: string | undefined;
  readonly selinuxEnforcing: boolean;
}

export function readHostFacts(): HostFacts {
  const mounts = parseMountinfo(readValue("/proc/self/mountinfo") ?? "");
  return {
    kernelRelease: release(),
    isRoot: process.geteuid?.() === 0,
    container: detectContainer(),
    filtered: /^Seccomp:\s*2$/m.test(readValue("/proc/self/status") ?? ""),
    chrooted: mounts.length > 0 && !mounts.some(({ mountPoint }) => mountPoint === "/"),
    procMasked: isProcMasked(mounts),
    unprivilegedUsernsClone: readNumber("/proc/sys/kernel/unprivileged_userns_clone"),
    maxUserNamespaces: readNumber("/proc/sys/user/max_user_namespaces"),
    apparmorRestrictUserns: readNumber("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
    yamaPtraceScope: readNumber("/proc/sys/kernel/yama/ptrace_scope"),
    // SELinux ends its label with a NUL.
    label: readValue("/proc/self/attr/current")?.replaceAll("\0", ""),
    selinuxEnforcing: readNumber("/sys/fs/selinux/enforce") === 1,
  };
}

function detectContainer(): HostFacts["container"] {
  // A pod's containers also carry the mark of the engine below Kubernetes, so this comes first.
  if (process.env["KUBERNETES_SERVICE_HOST"] !== undefined) return "kubernetes";
  if (exists("/run/.containerenv")) return "podman";
  if (exists("/.dockerenv")) return "docker";
  // systemd's container interface: the manager of a container, or PID 1 in it, leaves the engine's name.
  const named = readValue("/run/systemd/container") ?? process.env["container"];
  if (named === undefined || named === "") return undefined;
  if (named.startsWith("lxc")) return "lxc";
  return named === "docker" || named === "podman" ? named : "other";
}

/**
 * mount_too_revealing() in fs/namespace.c. binfmt_misc and nfsd are mounted on directories made to be mounted on, which
 * hide nothing and do not count.
 */
export function isProcMasked(mounts: readonly MountinfoEntry[]): boolean {
  return mounts.some(
    ({ mountPoint, fsType }) =>
      mountPoint.startsWith("/proc/") && !["binfmt_misc", "autofs", "nfsd", "rpc_pipefs"].includes(fsType),
  );
}
