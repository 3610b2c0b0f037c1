import { errno, refuse } from "./denial.js";
import { low, type SeccompRule } from "./profile.js";
import { socketDenials } from "./socket-denials.js";

// linux/sched.h. For clone the low byte is the exit signal, so CLONE_NEWTIME (0x80) can only be asked of unshare.
const cloneNewFlags = 0x7e02_0000;
/** CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_THREAD, CLONE_SYSVSEM. */
const harmlessUnshareFlags = 0x0005_0f00n;

const namespaces = [
  refuse(
    "mount umount umount2 pivot_root chroot move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr",
    errno.EPERM,
    "Stops changes to the mount tree: lifting a mask, remounting writable, leaving the root.",
  ),
  refuse("setns", errno.EPERM, "Stops entering another namespace through a descriptor or /proc."),
  refuse(
    "unshare",
    errno.EPERM,
    "Stops new namespaces; a new user namespace would give back every capability inside it. All 64 bits count, flags of the future too.",
    { arg: 0, op: "NE", value: 0n, mask: 0xffff_ffff_ffff_ffffn ^ harmlessUnshareFlags },
  ),
  refuse(
    "clone",
    errno.EPERM,
    "Stops new namespaces by clone; threads and forks pass.",
    low(0, "NE", 0, cloneNewFlags),
  ),
  refuse(
    "clone3",
    errno.ENOSYS,
    "A filter cannot see clone3's flags, which lie in memory; on ENOSYS libc uses clone.",
  ),
];

const otherProcesses = [
  refuse(
    "ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp",
    errno.EPERM,
    "Stops one process from reading, changing or taking descriptors from another, PID 1 of the sandbox above all.",
  ),
  refuse("prlimit64", errno.EPERM, "Stops changing limits of another process.", low(0, "NE", 0)),
  refuse(
    "prlimit64",
    errno.EPERM,
    "Setting the core limit and asking for the old one at once: the next rule could not give the old one.",
    low(1, "EQ", 4),
    { arg: 2, op: "NE", value: 0n },
    { arg: 3, op: "NE", value: 0n },
  ),
  refuse(
    "prlimit64",
    0,
    "RLIMIT_CORE stays at 1, which keeps the host's piped core handler away; at 0 or more the handler would run (core(5)). Success without effect, since programs lower it with good intent.",
    low(1, "EQ", 4),
    { arg: 2, op: "NE", value: 0n },
  ),
  refuse("setrlimit", 0, "RLIMIT_CORE stays at 1, as for prlimit64.", low(0, "EQ", 4)),
  refuse(
    "seccomp",
    errno.EPERM,
    "Stops a filter with a listener of its own (SECCOMP_SET_MODE_FILTER with FILTER_FLAG_NEW_LISTENER): it would answer in our supervisor's place. Plain filters pass.",
    low(0, "EQ", 1),
    low(1, "NE", 0, 1 << 3),
  ),
];

const kernel = [
  refuse(
    "bpf perf_event_open userfaultfd",
    errno.EPERM,
    "Stops kernel interfaces whose bugs have been the usual way to root.",
  ),
  refuse(
    "io_uring_setup io_uring_enter io_uring_register",
    errno.EPERM,
    "io_uring does files and sockets past every filter and every audit.",
  ),
  refuse("kexec_load kexec_file_load reboot", errno.EPERM, "Stops restarting the machine."),
  refuse(
    "init_module finit_module delete_module create_module get_kernel_syms query_module",
    errno.EPERM,
    "Stops kernel modules.",
  ),
  refuse(
    "add_key request_key keyctl",
    errno.EPERM,
    "Kernel keyrings are not namespaced: keys of the caller's session would be in reach.",
  ),
  refuse(
    "fanotify_init fanotify_mark",
    errno.EPERM,
    "Stops watching, or blocking, other processes' use of whole file systems.",
  ),
  refuse("open_by_handle_at", errno.EPERM, "Opens files by number, around every mount and mask."),
  refuse(
    "quotactl quotactl_fd swapon swapoff acct",
    errno.EPERM,
    "Stops administration of the host's disks and accounting.",
  ),
  refuse(
    "settimeofday clock_settime adjtimex clock_adjtime",
    errno.EPERM,
    "The clock is the host's; one struct both reads and sets it.",
  ),
  refuse(
    "iopl ioperm modify_ldt",
    errno.EPERM,
    "Stops x86 port access and segment tables, which 64-bit programs do not need.",
  ),
  refuse("syslog", errno.EPERM, "The kernel log tells about the host and its addresses."),
  refuse("vhangup", errno.EPERM, "Stops hanging up a terminal."),
  refuse(
    "nfsservctl lookup_dcookie uselib _sysctl",
    errno.EPERM,
    "Removed from current kernels; on old ones, attack surface that nobody needs.",
  ),
  refuse(
    "personality",
    errno.EPERM,
    "Stops execution domains that loosen memory protection (READ_IMPLIES_EXEC, MMAP_PAGE_ZERO). Reading it, the default, PER_LINUX32 and ADDR_NO_RANDOMIZE pass: the last weakens only the program itself, and sanitizers and Emacs need it.",
    low(0, "NE", 0),
    low(0, "NE", 0x8),
    low(0, "NE", 0x4_0000),
    low(0, "NE", 0x4_0008),
    low(0, "NE", 0xffff_ffff),
  ),
  refuse(
    "fcntl",
    errno.EPERM,
    "F_SETLEASE on a shared file makes other processes on the host wait for the program.",
    low(1, "EQ", 1024),
  ),
];

const terminals = [
  refuse("ioctl", errno.EPERM, "TIOCSTI types into the terminal, as if the user had.", low(1, "EQ", 0x5412)),
  refuse("ioctl", errno.EPERM, "TIOCLINUX pastes into a virtual console.", low(1, "EQ", 0x541c)),
  refuse("ioctl", errno.EPERM, "TIOCCONS diverts the host's console.", low(1, "EQ", 0x541d)),
  refuse(
    "ioctl",
    errno.EPERM,
    "TIOCSETD loads line disciplines, rarely used kernel code with a record of bugs.",
    low(1, "EQ", 0x5423),
  ),
  refuse(
    "ioctl",
    errno.EPERM,
    "btrfs: a snapshot shows what a mask hides. The whole type 0x94 but FICLONE, FICLONERANGE and FIDEDUPERANGE, which cp uses.",
    low(1, "EQ", 0x9400, 0xff00),
    low(1, "NE", 0x4004_9409),
    low(1, "NE", 0x4020_940d),
    low(1, "NE", 0xc018_9436),
  ),
  refuse(
    "ioctl",
    errno.EPERM,
    "bcachefs: snapshots, as for btrfs (type 0xbc).",
    low(1, "EQ", 0xbc00, 0xff00),
  ),
];

/**
 * What no profile can re-allow: the `baseDenials` of every filter. Each rule says what it stops. Numbers are the kernel's ABI and the same on x86-64 and arm64;
 * calls that an architecture lacks fall away there.
 */
export const baseDenials: readonly SeccompRule[] = [
  ...namespaces,
  ...otherProcesses,
  ...kernel,
  ...terminals,
  ...socketDenials,
];
