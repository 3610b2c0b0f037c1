import { action } from "./actions.js";
import { low, type ArgCondition, type NotifyRule, type SeccompProfile } from "./profile.js";
import { syscalls, type Arch } from "./syscall-table.js";
import type { AuditLevel } from "../policy/policy.js";

/** What goes on record at an audit level: arguments for `compileFilter`. */
export interface AuditSet {
  readonly notify: readonly NotifyRule[];
  readonly notifyDenials: boolean;
}

/**
 * The levels of `audit.level`. Each one includes what the one before it records: off, denied, security, files, all.
 * Calls of {@link neverNotified} are in none, and a refused one of them only by the arguments that got it refused.
 */
export function auditSet(level: AuditLevel, arch: Arch): AuditSet {
  switch (level) {
    case "off":
      return { notify: [], notifyDenials: false };
    case "denied":
      return { notify: [], notifyDenials: true };
    case "security":
      return { notify: security, notifyDenials: true };
    case "files":
      return { notify: [...security, ...files], notifyDenials: true };
    case "all":
      return { notify: [{ names: everything(arch) }, controlOfDescriptors], notifyDenials: true };
  }
}

function rule(names: string, ...args: readonly ArgCondition[]): NotifyRule {
  return { names: names.split(" "), args };
}

/** O_WRONLY, O_RDWR, O_CREAT, O_TRUNC: the flags of an open that can change something (asm-generic/fcntl.h, both architectures). */
const changingFlags = 0o1 | 0o2 | 0o100 | 0o1000;

const security: readonly NotifyRule[] = [
  // Programs. execveat shows a program that was never a file (memfd).
  rule("execve execveat"),
  // Opens that create or write. openat2 has its flags in memory, so that every one counts.
  rule("open", low(1, "NE", 0, changingFlags)),
  rule("openat", low(2, "NE", 0, changingFlags)),
  rule("creat openat2 open_by_handle_at"),
  // Names, sizes, modes, owners and attributes. Calls on a descriptor follow an open that is on record, but for those that hand out rights.
  rule(
    "unlink unlinkat rmdir rename renameat renameat2 link linkat symlink symlinkat mkdir mkdirat mknod mknodat truncate",
  ),
  rule("chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat file_setattr"),
  rule("setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat"),
  // Sockets. Of sends, those that may name a destination: sendto with an address; sendmsg has it in memory.
  rule("socket connect bind listen sendmsg sendmmsg"),
  rule("sendto", { arg: 4, op: "NE", value: 0n }),
  // Identity, privilege and self-restriction.
  rule("setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset"),
  rule("landlock_restrict_self"),
  // Not GET_ACTION_AVAIL and GET_NOTIF_SIZES, which only ask.
  rule("seccomp", low(0, "LT", 2)),
  rule("personality", low(0, "NE", 0xffff_ffff)),
  // linux/prctl.h: PR_SET_DUMPABLE, _SECCOMP, CAPBSET_DROP, SECUREBITS, MM, CAP_AMBIENT, PTRACER.
  ...[4, 22, 24, 28, 35, 47, 0x5961_6d61].map((option) => rule("prctl", low(0, "EQ", option))),
];

const files: readonly NotifyRule[] = [
  rule("open openat"),
  rule("utime utimes futimesat utimensat ftruncate fallocate"),
  rule("accept accept4"),
];

/**
 * Calls that are not notified at any level, not even `all`. A signal that arrives between the call and its receipt turns it into EINTR, and
 * these either cannot fail that way in any program's eyes or are never tried again.
 */
export const neverNotified: readonly { readonly names: string; readonly why: string }[] = [
  {
    names: "close close_range dup dup2 dup3 pipe pipe2",
    why: "Nobody retries them; a shell loses its redirection. So it does with fcntl's duplicates and descriptor flags.",
  },
  {
    names: "fork vfork clone clone3 exit exit_group wait4 waitid",
    why: "Nobody retries them, and vfork and exit cannot wait.",
  },
  {
    names:
      "futex futex_waitv futex_wait futex_wake futex_requeue set_robust_list get_robust_list set_tid_address rseq rseq_slice_yield membarrier sched_yield",
    why: "Locks and the start of threads: libc aborts, or loses a wake-up.",
  },
  {
    names: "mmap munmap mremap mprotect pkey_mprotect madvise brk mseal arch_prctl map_shadow_stack",
    why: "Allocators and loaders take a failure for the end of memory.",
  },
  {
    names:
      "rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigreturn rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack restart_syscall pause kill tkill tgkill pidfd_send_signal",
    why: "Signals must not depend on whether a signal is pending.",
  },
  {
    names:
      "getpid getppid gettid getuid geteuid getgid getegid getpgrp getpgid getsid umask alarm getcpu time times gettimeofday clock_gettime clock_getres uretprobe uprobe",
    why: "By contract they cannot fail, so that nobody looks.",
  },
];

/** fcntl but for F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL (0 to 4) and F_DUPFD_CLOEXEC (1030), which are as dup is. */
const controlOfDescriptors = rule("fcntl", low(1, "GT", 4), low(1, "NE", 1030));

function everything(arch: Arch): string[] {
  const excluded = new Set([...neverNotified.flatMap(({ names }) => names.split(" ")), "fcntl"]);
  return [...syscalls(arch).keys()].filter((name) => !excluded.has(name));
}

/** The profile that allows everything: base denials and audit without an allow list. */
export const permissive: SeccompProfile = { defaultAction: action.allow, rules: [] };
