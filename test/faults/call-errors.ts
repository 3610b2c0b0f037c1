import type { Call } from "./inject.js";

/**
 * What each system call is made to fail with: what the kernel says where memory, descriptors, processes, space or a permission are
 * missing, and EINTR where it may be interrupted (the ERRORS of their pages in man 2).
 */
const errors: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  (
    [
      ["open openat openat2 open_tree fsopen fsmount", "EMFILE ENOMEM EPERM"],
      [
        "socket socketpair pipe2 epoll_create1 eventfd2 memfd_create signalfd4 timerfd_create",
        "EMFILE ENOMEM",
      ],
      ["pidfd_open dup dup2 dup3 fcntl", "EMFILE ENOMEM"],
      ["mmap brk mprotect munmap mremap", "ENOMEM"],
      ["clone clone3 vfork fork", "EAGAIN ENOSPC"],
      ["execve", "ENOMEM EACCES"],
      ["read pread64 recvfrom", "EINTR EIO"],
      ["write pwrite64 writev", "EINTR ENOSPC"],
      ["sendmsg sendto", "EINTR ENOBUFS"],
      ["recvmsg", "EINTR ENOMEM"],
      ["poll ppoll", "EINTR ENOMEM"],
      ["epoll_wait epoll_pwait futex wait4 waitid", "EINTR"],
      ["rmdir", "ENOMEM"],
      ["mkdirat mkdir symlinkat unlinkat mknodat", "ENOSPC EPERM"],
      ["mount move_mount mount_setattr fsconfig pivot_root umount2", "ENOMEM EPERM"],
      ["epoll_ctl", "ENOSPC ENOMEM"],
      ["seccomp", "ENOMEM EPERM"],
      ["setsid setresuid setresgid setgroups capset prctl prlimit64 setrlimit sethostname", "EPERM EAGAIN"],
    ] as const
  ).flatMap(([names, codes]) => names.split(" ").map((name) => [name, codes.split(" ")])),
);

/** Calls that nobody can do anything about when they fail, or that cannot: they are left out, each for a reason. */
const leftOut: Readonly<Record<string, string>> = {
  close: "the descriptor is gone whatever it returns (close(2))",
  exit: "does not return",
  exit_group: "does not return",
  rt_sigreturn: "does not return",
  restart_syscall: "the kernel's own continuation of another call",
  getpid: "cannot fail",
  getppid: "cannot fail",
  gettid: "cannot fail",
  getuid: "cannot fail",
  geteuid: "cannot fail",
  getgid: "cannot fail",
  getegid: "cannot fail",
  umask: "cannot fail",
  set_tid_address: "cannot fail",
  arch_prctl: "of the C library's start, which aborts",
  set_robust_list: "of the C library's start, which goes on without",
  rseq: "of the C library's start, which goes on without",
  getrandom: "of the C library's allocator, which asks the clock instead",
  pause: "the process waits to be killed, and is asked nothing else",
  madvise: "advice",
  rt_sigprocmask: "fails for wrong arguments alone",
  rt_sigaction: "fails for wrong arguments alone",
  getrusage: "fails for wrong arguments alone",
  lseek: "fails for wrong arguments alone",
  shutdown: "fails where nobody is at the other end, which is what it is to bring about",
  kill: "of a child of one's own, or of everybody in a namespace of one's own: fails where nobody is left",
  uname: "fails for wrong arguments alone",
  sched_get_priority_min: "fails for wrong arguments alone",
};

/** The names of errnos; none for a call that is left out. */
export function errorsOf({ role, name, about }: Pick<Call, "role" | "name" | "about">): readonly string[] {
  if (name in leftOut) return [];
  // The C library's own: it takes an error that it does not know for a fault of the program, and aborts.
  if (name === "futex" && role !== "init" && role !== "child") return [];
  // Of its commands only those that duplicate want something: F_DUPFD_CLOEXEC (linux/fcntl.h).
  if (name === "fcntl" && !about.endsWith(" 0x406")) return [];
  // No disk is behind these.
  if (name === "read" && /^(?:pipe|socket|anon_inode):/.test(about)) return ["EINTR"];
  // A write that does not block is not interrupted.
  if (name === "write" && about === "anon_inode:[eventfd]") return [];
  return errors[name] ?? ["ENOMEM", "EPERM"];
}
