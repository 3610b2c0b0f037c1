import type { Fault } from "./inject.js";

/** A call that may fail without the run: which ones, and why nothing is missing then. */
interface Tolerated {
  readonly role: string;
  readonly name: string;
  /** What the call is about. */
  readonly about?: RegExp;
  readonly errno?: string;
  readonly reason: string;
}

const tolerated: readonly Tolerated[] = [
  { role: "main", name: "rmdir", about: /^\/sys\/fs\/cgroup\//, reason: "is tried again" },
  {
    role: "main",
    name: "socket bind sendto",
    reason: "without the host's own addresses a connection cannot be judged, and is refused",
  },
  { role: "main", name: "getsockopt", reason: "Node asks what kind of a socket stderr is" },
  { role: "main", name: "capget", reason: "Node asks whether it may trust its environment" },
  { role: "main", name: "access", about: /\/package\.json$/, reason: "Node's loader looks further up" },
  {
    role: "main",
    name: "unlink rmdir getdents64",
    about: /\/skillbox-record-/,
    reason: "Node tries once more to remove it",
  },
  { role: "*", name: "*", errno: "EINTR", reason: "is made again" },
  {
    role: "*",
    name: "prlimit64",
    about: /^0$/,
    reason: "the C library asks for the size of stacks, and has a default",
  },
  {
    role: "launch",
    name: "mmap mprotect munmap",
    reason: "the C library's allocator goes on with memory that it has",
  },
  {
    role: "main",
    name: "mmap mprotect munmap brk",
    reason: "V8 and the C library go on with memory that they have",
  },
  { role: "main", name: "statx", errno: "EPERM", reason: "libuv asks by fstat(2) or stat(2) in its stead" },
  {
    role: "main",
    name: "openat read statx newfstatat getdents64",
    about: /^\/sys\/fs\/cgroup\/.*(?:usage|stat|events|peak|oom_control)/,
    reason: "a figure of the result that is missing",
  },
  {
    role: "main",
    name: "openat statx newfstatat getdents64",
    about: /^\/sys\/fs\/cgroup\//,
    reason: "what dead runs left in a neighbour's cgroup is left to another run",
  },
  {
    role: "main",
    name: "access",
    about: /^\/sys\/fs\/cgroup\//,
    reason: "a place for a cgroup that cannot be had is not chosen; another was",
  },
  {
    role: "main",
    name: "pread64",
    reason: "the first bytes of the program, which has no interpreter to be shown",
  },
  { role: "main", name: "recvmsg", reason: "PID 1 had said all that was waited for" },
  { role: "outer", name: "brk readlink", reason: "of the C library's start, which goes on without" },
  { role: "holder", name: "prctl", reason: "the namespace was taken before its process ended" },
  {
    role: "notify",
    name: "openat read readlink pidfd_open process_vm_readv epoll_ctl pidfd_send_signal tgkill",
    reason: "an event says less of its process or of an argument; what decides is not that",
  },
  {
    role: "notify",
    name: "pidfd_getfd getsockopt",
    reason: "a connect() that cannot be looked at is refused",
  },
  {
    role: "notify",
    name: "sched_setscheduler",
    reason: "receives a little later, as for an ordinary caller",
  },
  {
    role: "notify",
    name: "ioctl",
    about: / 0x40082104$/,
    reason: "wakes up a little later, as before Linux 6.6",
  },
  { role: "notify", name: "ioctl poll", reason: "is received in the next round" },
  {
    role: "notify",
    name: "mmap mprotect munmap",
    reason: "the C library's allocator goes on with memory that it has",
  },
  {
    role: "notify",
    name: "timerfd_settime",
    reason: "the record is written with the next batch, or at the end",
  },
  { role: "init", name: "munmap", reason: "a page that is mapped for longer" },
  {
    role: "init",
    name: "openat getdents64 read",
    about: /^\/proc/,
    reason: "CPU time is looked at again in 50 ms",
  },
  { role: "init", name: "kill", reason: "nobody is left to be killed, and waitpid(2) sees to that" },
  { role: "init", name: "poll", reason: "whether the supervisor is there is asked again, 20 ms later" },
];

export function reasonToGoOn({ role, name, about, errno }: Fault): string | undefined {
  return tolerated.find(
    (each) =>
      (each.role === "*" || each.role === role) &&
      (each.name === "*" || each.name.split(" ").includes(name)) &&
      (each.errno === undefined || each.errno === errno) &&
      (each.about?.test(about) ?? true),
  )?.reason;
}
