import test from "ava";
import { action } from "../../src/seccomp/actions.js";
import { auditSet, permissive } from "../../src/seccomp/audit-sets.js";
import { baseDenials } from "../../src/seccomp/base-denials.js";
import { actionName } from "../../src/seccomp/disassemble.js";
import { evaluator } from "../../src/seccomp/evaluate.js";
import { explain } from "../../src/seccomp/explain.js";
import { compileFilter } from "../../src/seccomp/filter.js";
import { loadProfile } from "../../src/seccomp/load-profile.js";
import { auditArch, syscallNumber, type Arch } from "../../src/seccomp/syscall-table.js";

const garbage = 0xdead_beef_0000_0000n;

/** `name(arguments) → action`, under a profile that allows everything: only the base denials speak. */
const table = `
  mount(0) → ERRNO(EPERM)
  umount2(0) → ERRNO(EPERM)
  open_tree(0) → ERRNO(EPERM)
  open_tree_attr(0) → ERRNO(EPERM)
  move_mount(0) → ERRNO(EPERM)
  mount_setattr(0) → ERRNO(EPERM)
  fsopen(0) → ERRNO(EPERM)
  chroot(0) → ERRNO(EPERM)
  setns(3, 0) → ERRNO(EPERM)
  unshare(0) → ALLOW
  unshare(0x200) → ALLOW                      CLONE_FS
  unshare(0x10000000) → ERRNO(EPERM)          CLONE_NEWUSER
  unshare(0x80) → ERRNO(EPERM)                CLONE_NEWTIME
  unshare(0x100000000) → ERRNO(EPERM)         a flag that does not exist yet
  clone(0x1200011) → ALLOW                    fork
  clone(0x3d0f00) → ALLOW                     a thread
  clone(0x80) → ALLOW                         the low byte is a signal here
  clone(0x10000011) → ERRNO(EPERM)            CLONE_NEWUSER
  clone(0x40000011) → ERRNO(EPERM)            CLONE_NEWNET
  clone(0x2000011) → ERRNO(EPERM)             CLONE_NEWCGROUP
  clone(0x20011) → ERRNO(EPERM)               CLONE_NEWNS
  clone3(0) → ERRNO(ENOSYS)
  ptrace(0) → ERRNO(EPERM)
  process_vm_readv(1) → ERRNO(EPERM)
  pidfd_getfd(3) → ERRNO(EPERM)
  kcmp(1, 2) → ERRNO(EPERM)
  io_uring_setup(1) → ERRNO(EPERM)
  bpf(0) → ERRNO(EPERM)
  userfaultfd(0) → ERRNO(EPERM)
  perf_event_open(0) → ERRNO(EPERM)
  keyctl(0) → ERRNO(EPERM)
  open_by_handle_at(3) → ERRNO(EPERM)
  fanotify_init(0) → ERRNO(EPERM)
  clock_settime(0) → ERRNO(EPERM)
  syslog(3) → ERRNO(EPERM)
  prlimit64(0, 7, 0, 1) → ALLOW               reading RLIMIT_NOFILE
  prlimit64(0, 7, 1, 0) → ALLOW               setting it
  prlimit64(1, 7, 1, 0) → ERRNO(EPERM)        another process
  prlimit64(0, 4, 0, 1) → ALLOW               reading RLIMIT_CORE
  prlimit64(0, 4, 1, 0) → ERRNO(0)
  prlimit64(0, 4, 0x100000000, 0) → ERRNO(0)
  prlimit64(0, 4, 1, 1) → ERRNO(EPERM)
  setrlimit(4, 1) → ERRNO(0)
  setrlimit(7, 1) → ALLOW
  seccomp(1, 0, 1) → ALLOW
  seccomp(1, 1, 1) → ALLOW                    TSYNC
  seccomp(1, 8, 1) → ERRNO(EPERM)             NEW_LISTENER
  seccomp(1, 0x18, 1) → ERRNO(EPERM)          NEW_LISTENER with TSYNC_ESRCH
  seccomp(2, 8, 1) → ALLOW                    GET_ACTION_AVAIL
  fcntl(0, 3) → ALLOW
  fcntl(0, 1024) → ERRNO(EPERM)               F_SETLEASE
  ioctl(0, 0x5401) → ALLOW                    TCGETS
  ioctl(0, 0x5412) → ERRNO(EPERM)             TIOCSTI
  ioctl(0, 0x541c) → ERRNO(EPERM)             TIOCLINUX
  ioctl(0, 0x541d) → ERRNO(EPERM)             TIOCCONS
  ioctl(0, 0x5423) → ERRNO(EPERM)             TIOCSETD
  ioctl(0, 0x5424) → ALLOW                    TIOCGETD
  ioctl(0, 0x40049409) → ALLOW                FICLONE
  ioctl(0, 0xc0189436) → ALLOW                FIDEDUPERANGE
  ioctl(0, 0x50009401) → ERRNO(EPERM)         BTRFS_IOC_SNAP_CREATE
  ioctl(0, 0x4010bc10) → ERRNO(EPERM)         bcachefs
  personality(0) → ALLOW
  personality(0xffffffff) → ALLOW
  personality(0x40000) → ALLOW                ADDR_NO_RANDOMIZE
  personality(0x400000) → ERRNO(EPERM)        READ_IMPLIES_EXEC
  personality(0x440000) → ERRNO(EPERM)
  socket(1, 1, 0) → ALLOW
  socket(1, 0x80802, 0) → ALLOW               SOCK_DGRAM, CLOEXEC, NONBLOCK
  socket(2, 1, 6) → ALLOW
  socket(10, 0x80001, 0) → ALLOW
  socket(2, 2, 17) → ALLOW
  socket(2, 3, 255) → ERRNO(EPERM)            SOCK_RAW
  socket(10, 0x80003, 58) → ERRNO(EPERM)
  socket(2, 10, 0x300) → ERRNO(EPERM)         SOCK_PACKET
  socket(2, 5, 132) → ERRNO(EPERM)            SCTP
  socket(2, 1, 132) → ERRNO(EPROTONOSUPPORT)
  socket(2, 1, 262) → ERRNO(EPROTONOSUPPORT)  MPTCP
  socket(10, 1, 256) → ERRNO(EPROTONOSUPPORT) SMC
  socket(2, 2, 1) → ERRNO(EPROTONOSUPPORT)    ping
  socket(2, 2, 136) → ERRNO(EPROTONOSUPPORT)  UDP-Lite
  socket(16, 3, 0) → ALLOW                    NETLINK_ROUTE
  socket(16, 0x80003, 12) → ERRNO(EPROTONOSUPPORT)  NETLINK_NETFILTER
  socket(17, 3, 0) → ERRNO(EAFNOSUPPORT)      AF_PACKET
  socket(38, 5, 0) → ERRNO(EAFNOSUPPORT)      AF_ALG
  socket(40, 1, 0) → ERRNO(EAFNOSUPPORT)      AF_VSOCK
  socket(44, 3, 0) → ERRNO(EAFNOSUPPORT)      AF_XDP
  socket(0, 1, 0) → ERRNO(EAFNOSUPPORT)
  setsockopt(3, 6, 1) → ALLOW                 TCP_NODELAY
  setsockopt(3, 6, 31) → ERRNO(ENOPROTOOPT)   TCP_ULP
  setsockopt(3, 1, 31) → ALLOW                the same number at SOL_SOCKET
  sendto(3, 1, 5, 0x4000, 1, 16) → ALLOW      MSG_NOSIGNAL
  sendto(3, 1, 5, 0x20000000, 1, 16) → ERRNO(EOPNOTSUPP)
  sendmsg(3, 1, 0x20004000) → ERRNO(EOPNOTSUPP)
  sendmsg(3, 1, 0x4000) → ALLOW
  sendmmsg(3, 1, 5, 0x20000000) → ERRNO(EOPNOTSUPP)
  socketpair(1, 1, 0) → ALLOW
  socketpair(30, 1, 0) → ERRNO(EOPNOTSUPP)    AF_TIPC
`;

/** The arguments the kernel takes as 32 bits, by call: the upper half must not matter. */
const narrow: Readonly<Record<string, readonly number[]>> = {
  clone: [0],
  prlimit64: [0, 1],
  setrlimit: [0],
  seccomp: [0, 1],
  fcntl: [1],
  ioctl: [1],
  personality: [0],
  socket: [0, 1, 2],
  socketpair: [0],
  setsockopt: [1, 2],
  sendto: [3],
  sendmsg: [2],
  sendmmsg: [3],
};

interface Row {
  readonly title: string;
  readonly name: string;
  readonly args: readonly bigint[];
  readonly answer: string;
}

const rows: readonly Row[] = [...table.matchAll(/^ *((\w+)\((.*?)\)) → (\S+)/gm)].map(
  ([, title, name, args, answer]) => ({
    title: title ?? "",
    name: name ?? "",
    args: (args ?? "").split(", ").map(BigInt),
    answer: answer ?? "",
  }),
);

for (const arch of ["x64", "arm64"] as const) {
  const { program } = compileFilter({ arch, profile: permissive, baseDenials, notify: [] });
  const run = evaluator(program);
  const ask = (name: string, args: readonly bigint[]): string => {
    const nr = syscallNumber(arch, name);
    return nr === undefined ? "no such call" : actionName(run({ nr, arch: auditArch[arch], args }).action);
  };

  test(`${arch}: base denials answer as the table says, whatever is in unused halves of registers`, (t) => {
    t.true(rows.length > 80);
    for (const { title, name, args, answer } of rows) {
      t.is(ask(name, args), answer, title);
      const dirty = args.map((value, index) => (narrow[name]?.includes(index) ? value + garbage : value));
      t.is(ask(name, dirty), answer, `${title} with garbage in the upper halves`);
    }
  });

  test(`${arch}: a number that no table knows does not exist`, (t) => {
    for (const nr of [337, 400, 472, 512, 520, 547, 1000, 0xffff_ffff]) {
      t.is(actionName(run({ nr, arch: auditArch[arch], args: [] }).action), "ERRNO(ENOSYS)", String(nr));
    }
  });

  test(`${arch}: no profile and no audit level lifts a base denial`, (t) => {
    const profiles = [permissive, loadProfile("default", { arch }), loadProfile("strict", { arch })];
    for (const profile of profiles) {
      for (const level of ["off", "denied", "security", "files", "all"] as const) {
        const filter = compileFilter({ arch, profile, baseDenials, ...auditSet(level, arch) });
        const verdicts = evaluator(filter.verdicts);
        for (const { title, name, args, answer } of rows) {
          if (answer === "ALLOW") continue;
          const nr = syscallNumber(arch, name) ?? -1;
          t.is(
            actionName(verdicts({ nr, arch: auditArch[arch], args }).action),
            answer,
            `${title} at ${level}`,
          );
        }
      }
    }
  });
}

test("a profile that kills where a denial would refuse still kills", (t) => {
  const profile = {
    defaultAction: action.allow,
    rules: [{ names: ["ptrace", "socket"], action: action.killProcess, args: [] }],
  };
  const { program } = compileFilter({ arch: "x64", profile, baseDenials, notify: [] });
  const nr = (name: string): number => syscallNumber("x64", name) ?? -1;
  const run = evaluator(program);
  t.is(run({ nr: nr("ptrace"), arch: auditArch.x64, args: [] }).action, action.killProcess);
  t.is(run({ nr: nr("socket"), arch: auditArch.x64, args: [40n] }).action, action.killProcess);
});

test("explain names the rule that decided", (t) => {
  const profile = loadProfile("default", { arch: "x64" });
  const ask = (name: string, ...args: bigint[]): string => {
    const found = explain(
      { arch: "x64", profile, baseDenials },
      { nr: syscallNumber("x64", name) ?? 1000, args },
    );
    return `${found.source} ${actionName(found.action)} ${found.rule?.comment?.split(" ")[0] ?? ""}`;
  };
  t.is(ask("read"), "profile ALLOW Reading,");
  t.is(ask("clone", 0x1000_0011n), "base ERRNO(EPERM) Stops");
  t.is(ask("io_setup"), "default ERRNO(ENOSYS) ");
  t.is(ask("no such call"), "unknown ERRNO(ENOSYS) ");
});

test("each denial says in a sentence what it stops", (t) => {
  for (const rule of baseDenials) t.regex(rule.comment ?? "", /^.{20,}[.)]$/s, rule.names.join(" "));
});

const arches: readonly Arch[] = ["x64", "arm64"];
test("each denial names calls that exist", (t) => {
  for (const name of baseDenials.flatMap((rule) => rule.names)) {
    t.true(arches.some((arch) => syscallNumber(arch, name) !== undefined) || name === "umount", name);
  }
});
