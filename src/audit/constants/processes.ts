import { enumeration, field, flags } from "../flag-table.js";

/** asm-generic/signal.h, for both architectures; the kernel's SIGRTMIN is 32 (the C library keeps the first two). */
const signalNumber = enumeration(`
  1 SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM SIGTERM
    SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO
    SIGPWR SIGSYS SIGRTMIN ${Array.from({ length: 32 }, (_, n) => `SIGRTMIN+${n + 1}`).join(" ")}
`);
/** asm-generic/signal-defs.h. */
const sigprocmaskHow = enumeration("0 SIG_BLOCK SIG_UNBLOCK SIG_SETMASK");
/** linux/pidfd.h. */
const pidfdSignalFlags = flags({
  PIDFD_SIGNAL_THREAD: 1,
  PIDFD_SIGNAL_THREAD_GROUP: 2,
  PIDFD_SIGNAL_PROCESS_GROUP: 4,
});
/** linux/pidfd.h: O_NONBLOCK and O_EXCL by other names. */
const pidfdFlags = flags({ PIDFD_NONBLOCK: 0o4000, PIDFD_THREAD: 0o200 });

/** linux/sched.h. */
const namespaces = {
  CLONE_NEWNS: 0x0002_0000,
  CLONE_NEWCGROUP: 0x0200_0000,
  CLONE_NEWUTS: 0x0400_0000,
  CLONE_NEWIPC: 0x0800_0000,
  CLONE_NEWUSER: 0x1000_0000,
  CLONE_NEWPID: 0x2000_0000,
  CLONE_NEWNET: 0x4000_0000,
};
const cloning = {
  CLONE_VM: 0x100,
  CLONE_FS: 0x200,
  CLONE_FILES: 0x400,
  CLONE_SIGHAND: 0x800,
  CLONE_PIDFD: 0x1000,
  CLONE_PTRACE: 0x2000,
  CLONE_VFORK: 0x4000,
  CLONE_PARENT: 0x8000,
  CLONE_THREAD: 0x1_0000,
  CLONE_SYSVSEM: 0x4_0000,
  CLONE_SETTLS: 0x8_0000,
  CLONE_PARENT_SETTID: 0x10_0000,
  CLONE_CHILD_CLEARTID: 0x20_0000,
  CLONE_DETACHED: 0x40_0000,
  CLONE_UNTRACED: 0x80_0000,
  CLONE_CHILD_SETTID: 0x100_0000,
  ...namespaces,
  CLONE_IO: 0x8000_0000,
};
/** CSIGNAL of linux/sched.h: the low byte is the exit signal, and so CLONE_NEWTIME cannot be asked of clone. */
const cloneFlags = flags({ ...cloning, SIGCHLD: [17, 0xff] }, 64);
const clone3Flags = flags(
  { CLONE_NEWTIME: 0x80, ...cloning, CLONE_CLEAR_SIGHAND: 0x1_0000_0000, CLONE_INTO_CGROUP: 0x2_0000_0000 },
  64,
);
const unshareFlags = flags({ ...cloning, CLONE_NEWTIME: 0x80 }, 64);
/** setns wants one type, or with a pidfd several. */
const namespaceTypes = flags({ CLONE_NEWTIME: 0x80, ...namespaces });

/** linux/wait.h. */
const waitOptions = flags({
  WNOHANG: 1,
  WUNTRACED: 2,
  WEXITED: 4,
  WCONTINUED: 8,
  WNOWAIT: 0x0100_0000,
  __WNOTHREAD: 0x2000_0000,
  __WALL: 0x4000_0000,
  __WCLONE: 0x8000_0000,
});
/** linux/wait.h. */
const waitIdType = enumeration("0 P_ALL P_PID P_PGID P_PIDFD");

/** asm-generic/resource.h. */
const resource = enumeration(`
  0 RLIMIT_CPU RLIMIT_FSIZE RLIMIT_DATA RLIMIT_STACK RLIMIT_CORE RLIMIT_RSS RLIMIT_NPROC RLIMIT_NOFILE RLIMIT_MEMLOCK
    RLIMIT_AS RLIMIT_LOCKS RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_RTTIME
`);
/** linux/resource.h; RUSAGE_CHILDREN is -1. */
const rusageWho = enumeration("0 RUSAGE_SELF RUSAGE_THREAD", { RUSAGE_CHILDREN: 0xffff_ffff });
/** linux/resource.h. */
const priorityWhich = enumeration("0 PRIO_PROCESS PRIO_PGRP PRIO_USER");
/** linux/ioprio.h. */
const ioprioWhich = enumeration("1 IOPRIO_WHO_PROCESS IOPRIO_WHO_PGRP IOPRIO_WHO_USER");
/** linux/sched.h. */
const schedPolicy = flags({
  ...field(0xff, "0 SCHED_NORMAL SCHED_FIFO SCHED_RR SCHED_BATCH 5 SCHED_IDLE SCHED_DEADLINE SCHED_EXT"),
  SCHED_RESET_ON_FORK: 0x4000_0000,
});

/** linux/futex.h: the command in the low seven bits. */
const futexOperation = flags({
  ...field(
    0x7f,
    `0 FUTEX_WAIT FUTEX_WAKE FUTEX_FD FUTEX_REQUEUE FUTEX_CMP_REQUEUE FUTEX_WAKE_OP FUTEX_LOCK_PI FUTEX_UNLOCK_PI
       FUTEX_TRYLOCK_PI FUTEX_WAIT_BITSET FUTEX_WAKE_BITSET FUTEX_WAIT_REQUEUE_PI FUTEX_CMP_REQUEUE_PI FUTEX_LOCK_PI2`,
  ),
  FUTEX_PRIVATE_FLAG: 128,
  FUTEX_CLOCK_REALTIME: 256,
});
/** linux/futex.h, FUTEX2_*: the size in the low two bits. */
const futex2Flags = flags({
  ...field(0x3, "0 FUTEX2_SIZE_U8 FUTEX2_SIZE_U16 FUTEX2_SIZE_U32 FUTEX2_SIZE_U64"),
  FUTEX2_NUMA: 4,
  FUTEX2_MPOL: 8,
  FUTEX2_PRIVATE: 128,
});
/** linux/membarrier.h. */
const membarrierCommand = enumeration(
  "0 MEMBARRIER_CMD_QUERY MEMBARRIER_CMD_GLOBAL MEMBARRIER_CMD_GLOBAL_EXPEDITED",
  {
    MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED: 4,
    MEMBARRIER_CMD_PRIVATE_EXPEDITED: 8,
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED: 16,
    MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE: 32,
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE: 64,
    MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ: 128,
    MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ: 256,
    MEMBARRIER_CMD_GET_REGISTRATIONS: 512,
  },
);
/** linux/rseq.h. */
const rseqFlags = flags({ RSEQ_FLAG_UNREGISTER: 1 });

/** linux/time.h. */
const clockId = enumeration(`
  0 CLOCK_REALTIME CLOCK_MONOTONIC CLOCK_PROCESS_CPUTIME_ID CLOCK_THREAD_CPUTIME_ID CLOCK_MONOTONIC_RAW
    CLOCK_REALTIME_COARSE CLOCK_MONOTONIC_COARSE CLOCK_BOOTTIME CLOCK_REALTIME_ALARM CLOCK_BOOTTIME_ALARM
    CLOCK_SGI_CYCLE CLOCK_TAI
`);
/** linux/time.h. */
const intervalTimer = enumeration("0 ITIMER_REAL ITIMER_VIRTUAL ITIMER_PROF");
/** linux/time.h. */
const timerFlags = flags({ TIMER_ABSTIME: 1 });
/** linux/timerfd.h. */
const timerfdSetFlags = flags({ TFD_TIMER_ABSTIME: 1, TFD_TIMER_CANCEL_ON_SET: 2 });

/** linux/ipc.h and linux/shm.h, linux/sem.h, linux/msg.h. */
const ipcCommands = "0 IPC_RMID IPC_SET IPC_STAT IPC_INFO";
const shmCommand = enumeration(`${ipcCommands} 11 SHM_LOCK SHM_UNLOCK SHM_STAT SHM_INFO SHM_STAT_ANY`);
const semCommand = enumeration(
  `${ipcCommands} 11 GETPID GETVAL GETALL GETNCNT GETZCNT SETVAL SETALL SEM_STAT SEM_INFO SEM_STAT_ANY`,
);
const msgCommand = enumeration(`${ipcCommands} 11 MSG_STAT MSG_INFO MSG_STAT_ANY`);
/** The low nine bits are permissions, which stay a number. SHM_HUGETLB has the value of IPC_NOWAIT, which shmget has no use for. */
const ipcFlags = flags({ IPC_CREAT: 0o1000, IPC_EXCL: 0o2000, IPC_NOWAIT: 0o4000 });
const shmgetFlags = flags({
  IPC_CREAT: 0o1000,
  IPC_EXCL: 0o2000,
  SHM_HUGETLB: 0o4000,
  SHM_NORESERVE: 0o10000,
});
const messageQueueFlags = flags({
  MSG_NOERROR: 0o10000,
  MSG_EXCEPT: 0o20000,
  MSG_COPY: 0o40000,
  IPC_NOWAIT: 0o4000,
});
const shmatFlags = flags({
  SHM_RDONLY: 0o10000,
  SHM_RND: 0o20000,
  SHM_REMAP: 0o40000,
  SHM_EXEC: 0o100000,
});
/** linux/kcmp.h. */
const kcmpType = enumeration(
  "0 KCMP_FILE KCMP_VM KCMP_FILES KCMP_FS KCMP_SIGHAND KCMP_IO KCMP_SYSVSEM KCMP_EPOLL_TFD",
);
/** linux/random.h. */
const randomFlags = flags({ GRND_NONBLOCK: 1, GRND_RANDOM: 2, GRND_INSECURE: 4 });

export const processTables = {
  signalNumber,
  sigprocmaskHow,
  pidfdSignalFlags,
  pidfdFlags,
  cloneFlags,
  clone3Flags,
  unshareFlags,
  namespaceTypes,
  waitOptions,
  waitIdType,
  resource,
  rusageWho,
  priorityWhich,
  ioprioWhich,
  schedPolicy,
  futexOperation,
  futex2Flags,
  membarrierCommand,
  rseqFlags,
  clockId,
  intervalTimer,
  timerFlags,
  timerfdSetFlags,
  shmCommand,
  semCommand,
  msgCommand,
  ipcFlags,
  shmgetFlags,
  messageQueueFlags,
  shmatFlags,
  kcmpType,
  randomFlags,
};
