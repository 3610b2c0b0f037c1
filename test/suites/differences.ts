import type { Differences } from "./compare.js";

/**
 * The table of what differs inside, each with its reason; what is not here works as it does outside. Seen with the tests of
 * Linux 6.12, CPython 3.11 and node 18 on Linux 6.18, by a root caller's programs.
 */

const clone3 =
  "clone3 is answered with ENOSYS, so that flags can be judged; these do not fall back to clone as libc does";
const newListener = "NEW_LISTENER is refused: a second listener would see what ours is to see";
const userNamespaces = "user namespaces are refused";
const namespaces = "new namespaces and setns are refused";
const capabilities =
  "the program has no capabilities, and mounts and interfaces are nothing for it to change";
const noNewPrivileges = "no_new_privs is set before the program starts";

export const kernel: Readonly<Record<string, Differences>> = {
  clone3: { [clone3]: ["clone3 *", "clone3_clear_sighand *", "clone3_set_tid *"] },
  landlock: {
    [capabilities]: ["fs_test layout*", "net_test *"],
    [noNewPrivileges]: ["base_test global.restrict_self_checks_ordering"],
    "keyctl is refused": ["base_test global.cred_transfer"],
  },
  mount_setattr: { [capabilities]: ["mount_setattr_test *"] },
  openat2: {},
  pidfd: {
    [clone3]: ["pidfd_wait *"],
    [namespaces]: ["pidfd_setns_test *", "pidfd_fdinfo_test *"],
    "pidfd_getfd and kcmp are refused: descriptors of another process": ["pidfd_getfd_test *"],
  },
  seccomp: {
    [newListener]: [
      "seccomp_bpf global.seccomp_syscall",
      "seccomp_bpf global.detect_seccomp_filter_flags",
      "seccomp_bpf global.user_notification_basic",
      "seccomp_bpf global.user_notification_with_tsync",
      "seccomp_bpf global.user_notification_kill_in_middle",
      "seccomp_bpf global.user_notification_signal",
      "seccomp_bpf global.user_notification_closed_listener",
      "seccomp_bpf global.user_notification_sibling_pid_ns",
      "seccomp_bpf global.user_notification_continue",
      "seccomp_bpf global.user_notification_addfd*",
      "seccomp_bpf global.user_notification_sync",
      "seccomp_bpf global.user_notification_fifo",
      "seccomp_bpf global.user_notification_wait_killable*",
    ],
    [userNamespaces]: [
      "seccomp_bpf global.user_notification_child_pid_ns",
      "seccomp_bpf global.user_notification_fault_recv",
    ],
    [clone3]: [
      "seccomp_bpf global.user_notification_filter_empty*",
      "seccomp_bpf global.user_ioctl_notification_filter_empty",
    ],
    "ptrace is refused": ["seccomp_bpf global.syscall_restart", "seccomp_bpf O_SUSPEND_SECCOMP.setoptions"],
    "kcmp is refused": ["seccomp_bpf global.kcmp"],
    "a task under a filter cannot go over to strict mode (seccomp(2)), and ours is there before it": [
      "seccomp_bpf global.mode_strict_support",
      "seccomp_bpf global.mode_strict_cannot_call_prctl",
    ],
    "PR_GET_SECCOMP tells of our filter": ["seccomp_bpf global.mode_filter_get_seccomp"],
    [noNewPrivileges]: [
      "seccomp_bpf global.mode_filter_without_nnp",
      "seccomp_bpf TSYNC.two_sibling_want_nnp",
    ],
    "number -1 has the bit of x32, and x32 is killed": ["seccomp_bpf global.negative_ENOSYS"],
  },
};

export const cpython: Differences = {
  "UDP-Lite is refused with EPROTONOSUPPORT, as where a kernel has none: only what the gateway judges goes out":
    ["test_socket.*UDPLITE*"],
};

export const node: Differences = {};
