import { readHostFacts, type HostFacts } from "./facts.js";

/** A step that the kernel refused, in the words of skillbox-init's reports. */
export interface LaunchFailure {
  readonly stage: string;
  readonly operation: string;
  /** Symbolic: "EPERM". */
  readonly errno: string;
  /** What the operation was about: a file system type, a path. */
  readonly subject?: string | undefined;
}

export interface Explanation {
  /** Why this host refuses it, as a clause. */
  readonly reason: string;
  /** The commands, or the one setting, that change that. */
  readonly hint: string;
}

/**
 * Why a step of a launch failed, where the host is to blame and says so somewhere; undefined where it is not known.
 * `initPath` is skillbox-init, which AppArmor has to know by its path.
 */
export function explainLaunchFailure(
  failure: LaunchFailure,
  initPath = "/path/to/skillbox-init",
  facts: HostFacts = readHostFacts(),
): Explanation | undefined {
  const { stage, operation, errno, subject } = failure;
  if (operation === "clone3" || operation === "unshare") return explainClone(errno, initPath, facts);
  if (stage === "user_ns" || stage === "identity") return explainIdMap(errno, initPath, facts);
  const refused = errno === "EPERM" || errno === "EACCES";
  if (stage === "rootfs" && subject === "proc" && refused && facts.procMasked) return procIsMasked(facts);
  if (stage === "rootfs" && subject === "overlay") return explainOverlay(errno, initPath, facts);
  if (stage === "rootfs" && refused) return explainLsm(initPath, facts) ?? containerRefuses(facts);
  if (stage === "sources" && operation === "idmap") return idmapIsMissing();
  if (stage === "audit" && refused && (facts.yamaPtraceScope ?? 0) > 1)
    return yamaForbids(facts.yamaPtraceScope);
  if (errno === "ENOSYS") return containerRefuses(facts) ?? kernelIsOld(facts);
  return undefined;
}

function explainClone(errno: string, initPath: string, facts: HostFacts): Explanation | undefined {
  switch (errno) {
    case "EPERM":
      if (facts.unprivilegedUsernsClone === 0 && !facts.isRoot) {
        return {
          reason: "user namespaces are for root only on this host (kernel.unprivileged_userns_clone is 0)",
          hint: sysctlHint("kernel.unprivileged_userns_clone", 1),
        };
      }
      if (facts.chrooted) {
        return {
          reason:
            "the caller is in a chroot, where the kernel makes no user namespaces (user_namespaces(7), EPERM)",
          hint: "start skillbox outside the chroot, or enter it with pivot_root: bwrap, unshare --root, systemd-nspawn",
        };
      }
      return containerRefuses(facts);
    case "ENOSPC":
    case "EUSERS":
      if (facts.maxUserNamespaces === 0) {
        return {
          reason: "this host allows no user namespaces (user.max_user_namespaces is 0)",
          hint: sysctlHint("user.max_user_namespaces", 15000),
        };
      }
      return {
        reason: `a limit on namespaces is reached: user.max_user_namespaces is ${facts.maxUserNamespaces ?? "unknown"}, or they are nested too deep`,
        hint: `see user.max_*_namespaces with \`sysctl user\`; ${sysctlHint("user.max_user_namespaces", 15000)}`,
      };
    case "EACCES":
      return explainLsm(initPath, facts);
    case "EAGAIN":
      return {
        reason:
          "the caller may not start another process: RLIMIT_NPROC (ulimit -u) or pids.max of its cgroup is reached",
        hint: "end some processes, or raise the limit: ulimit -u, systemctl set-property … TasksMax=",
      };
    case "EINVAL":
      return {
        reason: `Linux ${facts.kernelRelease} was built without one of the namespaces that a sandbox has`,
        hint: "use a kernel with CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_NET_NS, CONFIG_IPC_NS, CONFIG_UTS_NS and CONFIG_CGROUPS",
      };
    case "ENOSYS":
      return containerRefuses(facts) ?? kernelIsOld(facts);
    default:
      return undefined;
  }
}

function explainIdMap(errno: string, initPath: string, facts: HostFacts): Explanation | undefined {
  if (errno !== "EPERM" && errno !== "EACCES") return undefined;
  if (!facts.isRoot) return explainLsm(initPath, facts) ?? containerRefuses(facts);
  return {
    reason:
      "this root may not map an unprivileged uid: it lacks CAP_SETUID and CAP_SETGID, or has few ids itself",
    hint: "run skillbox as an ordinary user, or give the container these capabilities and the ids above 1879048192",
  };
}

function explainOverlay(errno: string, initPath: string, facts: HostFacts): Explanation | undefined {
  if (errno === "ENODEV") {
    return {
      reason: "the kernel has no overlayfs, or its module is not loaded",
      hint: "sudo modprobe overlay",
    };
  }
  if (errno === "EPERM" || errno === "EACCES") {
    return explainLsm(initPath, facts) ?? containerRefuses(facts) ?? kernelIsOld(facts);
  }
  return errno === "EINVAL" ? kernelIsOld(facts) : undefined;
}

/** AppArmor since Ubuntu 23.10 lets the namespace be made and takes its capabilities, so that mounts fail. */
function explainLsm(initPath: string, facts: HostFacts): Explanation | undefined {
  if (facts.apparmorRestrictUserns === 1 && !facts.isRoot) {
    return {
      reason:
        "AppArmor gives capabilities in a user namespace only to programs with a profile for it " +
        "(kernel.apparmor_restrict_unprivileged_userns is 1)",
      hint: apparmorHint(initPath),
    };
  }
  const { label } = facts;
  if (facts.selinuxEnforcing) {
    return {
      reason: `SELinux refuses it to ${label ?? "this domain"}`,
      hint: "sudo ausearch -m avc -ts recent shows the rule; allow it with audit2allow, or start skillbox from an unconfined domain",
    };
  }
  if (label !== undefined && label !== "" && !label.startsWith("unconfined")) {
    return {
      reason: `the AppArmor profile "${label}" that we run under refuses it`,
      hint:
        facts.container === undefined
          ? `add \`userns,\` and \`mount,\` to that profile, or start skillbox from an unconfined program`
          : containerHint(facts.container),
    };
  }
  return undefined;
}

function containerRefuses(facts: HostFacts): Explanation | undefined {
  if (facts.container === undefined && !facts.filtered) return undefined;
  const where =
    facts.container === undefined ? "the service or sandbox" : `the container (${facts.container})`;
  return {
    reason: `${where} that we run in forbids it${facts.filtered ? " with its seccomp filter" : ""}`,
    hint: containerHint(facts.container),
  };
}

function procIsMasked({ container }: HostFacts): Explanation {
  return {
    reason:
      "parts of /proc are masked, as container engines do; then the kernel lets no new /proc be mounted",
    hint:
      container === undefined
        ? "unmount what lies over files of /proc: grep ' /proc/' /proc/self/mountinfo"
        : containerHint(container),
  };
}

function idmapIsMissing(): Explanation {
  return {
    reason:
      "the file system of a grant has no idmapped mounts, which keep a root caller's grants usable without root",
    hint: "run skillbox as an ordinary user, or keep the files on ext4, xfs, btrfs, or tmpfs from Linux 6.3 on",
  };
}

export function yamaForbids(yamaPtraceScope: number | undefined): Explanation {
  return {
    reason: `Yama lets no process read another's memory (kernel.yama.ptrace_scope is ${yamaPtraceScope ?? "unknown"})`,
    hint:
      yamaPtraceScope === 3
        ? "3 cannot be lowered before a reboot: set kernel.yama.ptrace_scope=1 in /etc/sysctl.d, then reboot"
        : sysctlHint("kernel.yama.ptrace_scope", 1),
  };
}

function kernelIsOld({ kernelRelease }: HostFacts): Explanation {
  return {
    reason: `Linux ${kernelRelease} does not have it`,
    hint: "use Linux 5.12 or newer (5.19 for root callers), built with overlayfs, seccomp filters and every namespace",
  };
}

/** Now, and after the next boot. */
export function sysctlHint(name: string, value: number): string {
  return `echo ${name}=${value} | sudo tee /etc/sysctl.d/60-skillbox.conf && sudo sysctl -p /etc/sysctl.d/60-skillbox.conf`;
}

/** A profile that confines nothing and so is allowed user namespaces: apparmor.d(5), "userns". */
export function apparmorHint(initPath: string): string {
  return [
    "sudo tee /etc/apparmor.d/skillbox-init >/dev/null <<'EOF'",
    "abi <abi/4.0>,",
    "include <tunables/global>",
    `profile skillbox-init "${initPath}" flags=(unconfined) {`,
    "  userns,",
    "}",
    "EOF",
    "sudo apparmor_parser -r /etc/apparmor.d/skillbox-init",
  ].join("\n");
}

function containerHint(container: HostFacts["container"]): string {
  switch (container) {
    case "docker":
      return "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined --security-opt systempaths=unconfined …";
    case "podman":
      return "podman run --security-opt seccomp=unconfined --security-opt unmask=ALL …";
    case "kubernetes":
      return "in the pod: hostUsers: false, and securityContext: {procMount: Unmasked, seccompProfile: {type: Unconfined}}";
    case "lxc":
      return "lxc config set NAME security.nesting=true, then restart the container";
    case "other":
    case undefined:
      return "start it with user namespaces, mounts and an unmasked /proc allowed (systemd: RestrictNamespaces=no, SystemCallFilter=)";
  }
}
