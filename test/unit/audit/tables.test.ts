import test, { type ExecutionContext } from "ava";
import { compileTables } from "../../../src/audit/compile-tables.js";
import { encodeAuditTables } from "../../../src/audit/encode-tables.js";
import { calls, ownTables, sharedTables } from "../../../src/audit/encoded-tables.js";
import { callTypes } from "../../../src/audit/event-types.js";
import { argumentKinds } from "../../../src/audit/read-signatures.js";
import { signatures } from "../../../src/audit/signatures.js";
import { auditSet } from "../../../src/seccomp/audit-sets.js";
import { isSyscallName, syscalls, type Arch } from "../../../src/seccomp/syscall-table.js";
import { readTables, spell, type WireCall, type WireTables } from "./interpret-tables.js";

const architectures = ["x64", "arm64"] as const;
const wire: Readonly<Record<Arch, WireTables>> = {
  x64: readTables(encodeAuditTables("x64")),
  arm64: readTables(encodeAuditTables("arm64")),
};

test("the tables that are kept are those that the signatures give", (t) => {
  t.deepEqual(
    { ownTables, sharedTables, calls },
    compileTables(),
    "run: node dist/test/unit/audit/generate.js",
  );
});

for (const arch of architectures) {
  test(`${arch}: every call of the architecture is there, once`, (t) => {
    const numbers = new Map(wire[arch].calls.map(({ name, number }) => [name, number]));
    t.deepEqual(numbers, new Map(syscalls(arch)));
    t.is(wire[arch].calls.length, numbers.size);
  });

  test(`${arch}: what can be recorded has its arguments described`, (t) => {
    const described = new Set(callsOf(signatures).map(({ call }) => call));
    for (const level of ["security", "files", "all"] as const) {
      const notified = auditSet(level, arch).notify.flatMap(({ names }) => names);
      const missing = notified.filter(
        (name) => syscalls(arch).has(name) && !described.has(name) && !withoutArguments.has(name),
      );
      t.deepEqual(missing, [], level);
    }
  });

  test(`${arch}: arguments refer to what exists`, (t) => {
    const { tables, calls: all } = wire[arch];
    const kinds = new Set<number>(Object.values(argumentKinds));
    t.true(tables.length < 255);
    for (const { name: call, args } of all) {
      t.is(new Set(args.map(({ name }) => name)).size, args.length, `${call}: two arguments of one name`);
      for (const { name, index, kind, aux, aux2 } of args) {
        const place = `${call} ${name}`;
        t.true(kinds.has(kind), place);
        t.true(index < 6, place);
        if (kind === argumentKinds.path && aux !== 255) {
          const directory = args.find((other) => other.index === aux);
          t.is(directory?.kind, argumentKinds.dirfd, place);
        }
        if (kind === argumentKinds.flags || kind === argumentKinds.flags32) t.is(tables[aux]?.kind, 0, place);
        if (kind === argumentKinds.enumeration || kind === argumentKinds.signal)
          t.is(tables[aux]?.kind, 1, place);
        if (kind === argumentKinds.keyed) {
          t.is(tables[aux]?.kind, 1, place);
          t.true(aux2 < 6, place);
        }
        if (kind === argumentKinds.openhow)
          t.deepEqual([tables[aux]?.kind, tables[aux2]?.kind], [0, 0], place);
      }
    }
  });

  test(`${arch}: in a table of flags no entry hides one after it`, (t) => {
    for (const { kind, entries } of wire[arch].tables) {
      for (const [index, { name, value, mask }] of entries.entries()) {
        if (kind === 1) {
          t.is(
            entries.findIndex((entry) => entry.value === value),
            index,
            name,
          );
          continue;
        }
        t.is(value & ~mask, 0n, name);
        t.not(mask, 0n, name);
        const spelled = spell({ kind, entries }, value);
        t.true(Array.isArray(spelled) && spelled.includes(name), `${name}: ${String(spelled)}`);
      }
    }
  });
}

/** Calls whose arguments are none, or only addresses of memory. */
const withoutArguments = new Set(
  (
    "capget create_module get_kernel_syms sync pipe setsid getresuid getresgid sysinfo uname inotify_init nfsservctl " +
    "munlockall lookup_dcookie rt_sigpending io_destroy io_cancel nanosleep tuxcall security afs_syscall getpmsg putpmsg " +
    "vserver epoll_ctl_old epoll_wait_old set_thread_area get_thread_area _sysctl get_mempolicy " +
    "set_mempolicy_home_node lsm_list_modules listns shmdt"
  ).split(" "),
);

test("every signature is of a call that exists, and of a type that events have", (t) => {
  const seen = new Set<string>();
  for (const { type, call } of callsOf(signatures)) {
    t.true(isSyscallName(call), call);
    t.false(seen.has(call), `${call} is described twice`);
    seen.add(call);
    t.true(["net.connect", ...callTypes].includes(type), type);
  }
  t.deepEqual(Object.keys(signatures).sort(), ["net.connect", ...callTypes].sort());
});

function callsOf(source: Readonly<Record<string, string>>): { type: string; call: string }[] {
  return Object.entries(source).flatMap(([type, text]) =>
    text
      .split("\n")
      .map((line) => line.trim().split(" ")[0] ?? "")
      .filter((call) => call !== "")
      .map((call) => ({ type, call })),
  );
}

/** As the man pages have them. */
const expected: Readonly<Record<string, string>> = {
  openat: "file.open dirfd:dirfd@0 path:path@1 flags:flags32@2 mode:mode@3",
  openat2: "file.open dirfd:dirfd@0 path:path@1 how:openhow@2 size:size@3",
  execve: "process.exec path:path@0 argv:argv@1",
  execveat: "process.exec dirfd:dirfd@0 path:path@1 argv:argv@2 flags:flags32@4",
  renameat2: "file.rename olddirfd:dirfd@0 oldpath:path@1 newdirfd:dirfd@2 newpath:path@3 flags:flags32@4",
  linkat: "file.link olddirfd:dirfd@0 oldpath:path@1 newdirfd:dirfd@2 newpath:path@3 flags:flags32@4",
  symlinkat: "file.symlink target:string@0 newdirfd:dirfd@1 linkpath:path@2",
  unlinkat: "file.delete dirfd:dirfd@0 path:path@1 flags:flags32@2",
  fchownat: "file.attributes dirfd:dirfd@0 path:path@1 owner:id@2 group:id@3 flags:flags32@4",
  fsetxattr: "file.attributes fd:fd@0 name:string@1 size:size@3 flags:flags32@4",
  socket: "net.socket domain:enumeration@0 type:flags32@1 protocol:keyed@2",
  connect: "net.connect sockfd:fd@0 addr:sockaddr@1",
  sendto: "net.send sockfd:fd@0 size:size@2 flags:flags32@3 dest_addr:sockaddr@4",
  sendmsg: "net.send sockfd:fd@0 msg:msghdr@1 flags:flags32@2",
  tgkill: "process.signal tgid:int@0 tid:int@1 sig:signal@2",
  pidfd_send_signal: "process.signal pidfd:fd@0 sig:signal@1 flags:flags32@3",
  clone3: "syscall args:cloneargs@0 size:size@1",
  mmap: "syscall length:size@1 prot:flags@2 flags:flags@3 fd:fd@4 offset:u64@5",
  prlimit64: "privilege pid:int@0 resource:enumeration@1 new_limit:rlimit@2",
  setresuid: "privilege ruid:id@0 euid:id@1 suid:id@2",
  mount: "privilege source:string@0 target:path@1 filesystemtype:string@2 mountflags:flags@3",
  unshare: "privilege flags:flags@0",
  getpid: "syscall",
};

for (const [name, signature] of Object.entries(expected)) {
  test(`${name} is ${signature}`, (t) => {
    const kindNames = new Map<number, string>(
      Object.entries(argumentKinds).map(([kind, number]) => [number, kind]),
    );
    const { type, args } = callNamed("x64", name);
    const words = args.map(
      (argument) => `${argument.name}:${kindNames.get(argument.kind) ?? "?"}@${argument.index}`,
    );
    t.is([type, ...words].join(" "), signature);
  });
}

test("what a path, an address and a mode depend on", (t) => {
  const auxOf = (call: string, name: string): number | undefined =>
    callNamed("x64", call).args.find((argument) => argument.name === name)?.aux;
  t.is(auxOf("openat", "path"), 0);
  t.is(auxOf("renameat2", "newpath"), 2);
  t.is(auxOf("open", "path"), 255);
  t.is(auxOf("connect", "addr"), 2);
  t.is(auxOf("sendto", "dest_addr"), 5);
  t.is(auxOf("openat", "mode"), 2);
  t.is(auxOf("mkdirat", "mode"), 255);
});

const spelled: readonly [arch: Arch, call: string, argument: string, value: bigint, names: unknown][] = [
  ["x64", "openat", "flags", 0o2000000n, ["O_RDONLY", "O_CLOEXEC"]],
  ["x64", "openat", "flags", 0o2001101n, ["O_WRONLY", "O_CREAT", "O_TRUNC", "O_CLOEXEC"]],
  ["x64", "openat", "flags", 0o200000n, ["O_RDONLY", "O_DIRECTORY"]],
  ["arm64", "openat", "flags", 0o40000n, ["O_RDONLY", "O_DIRECTORY"]],
  ["arm64", "openat", "flags", 0o200000n, ["O_RDONLY", "O_DIRECT"]],
  ["x64", "openat", "flags", 0o40000n, ["O_RDONLY", "O_DIRECT"]],
  ["x64", "openat", "flags", 0o20200002n, ["O_RDWR", "O_TMPFILE"]],
  ["arm64", "openat", "flags", 0o20040002n, ["O_RDWR", "O_TMPFILE"]],
  ["x64", "openat", "flags", 0o4010002n, ["O_RDWR", "O_SYNC"]],
  ["x64", "openat", "flags", 0o10001n, ["O_WRONLY", "O_DSYNC"]],
  ["x64", "openat", "flags", 0x8000_0000n, ["O_RDONLY", 0x8000_0000n]],
  ["x64", "socket", "type", 0o2004001n, ["SOCK_STREAM", "SOCK_NONBLOCK", "SOCK_CLOEXEC"]],
  ["x64", "socket", "type", 5n, ["SOCK_SEQPACKET"]],
  ["x64", "socket", "domain", 10n, "AF_INET6"],
  ["x64", "socket", "protocol", (2n << 32n) | 6n, "IPPROTO_TCP"],
  ["x64", "socket", "protocol", (10n << 32n) | 0n, "IPPROTO_IP"],
  ["x64", "socket", "protocol", (16n << 32n) | 0n, "NETLINK_ROUTE"],
  ["x64", "socket", "protocol", (17n << 32n) | 0x300n, "ETH_P_ALL"],
  ["x64", "setsockopt", "optname", (1n << 32n) | 1n, "SO_DEBUG"],
  ["x64", "setsockopt", "optname", (6n << 32n) | 1n, "TCP_NODELAY"],
  ["x64", "setsockopt", "optname", (41n << 32n) | 26n, "IPV6_V6ONLY"],
  ["x64", "faccessat", "mode", 0n, ["F_OK"]],
  ["x64", "faccessat", "mode", 5n, ["R_OK", "X_OK"]],
  [
    "x64",
    "clone",
    "flags",
    0x0100_0011n | 0x20_0000n,
    ["CLONE_CHILD_CLEARTID", "CLONE_CHILD_SETTID", "SIGCHLD"],
  ],
  ["x64", "clone3", "args", 0x1_0000_0080n, ["CLONE_NEWTIME", "CLONE_CLEAR_SIGHAND"]],
  ["x64", "mmap", "prot", 0n, ["PROT_NONE"]],
  ["x64", "mmap", "flags", 0x22n, ["MAP_PRIVATE", "MAP_ANONYMOUS"]],
  ["x64", "mmap", "flags", 0x5404_0022n, ["MAP_PRIVATE", "MAP_ANONYMOUS", "MAP_HUGETLB", "MAP_HUGE_2MB"]],
  ["x64", "futex", "futex_op", 0x189n, ["FUTEX_WAIT_BITSET", "FUTEX_PRIVATE_FLAG", "FUTEX_CLOCK_REALTIME"]],
  ["x64", "prctl", "option", 0x5961_6d61n, "PR_SET_PTRACER"],
  ["x64", "prctl", "option", 38n, "PR_SET_NO_NEW_PRIVS"],
  ["x64", "personality", "persona", 0xffff_ffffn, ["PERSONALITY_QUERY"]],
  ["x64", "personality", "persona", 0x4_0000n, ["ADDR_NO_RANDOMIZE"]],
  ["x64", "fcntl", "op", 1030n, "F_DUPFD_CLOEXEC"],
  ["x64", "ioctl", "op", 0x5412n, "TIOCSTI"],
  ["x64", "kill", "sig", 15n, "SIGTERM"],
  ["x64", "kill", "sig", 34n, "SIGRTMIN+2"],
  ["x64", "kill", "sig", 0n, "0"],
  ["x64", "getrusage", "who", 0xffff_ffff_ffff_ffffn, "RUSAGE_CHILDREN"],
  ["x64", "waitid", "options", 0x0100_0005n, ["WNOHANG", "WEXITED", "WNOWAIT"]],
  ["x64", "linkat", "flags", 0x400n, ["AT_SYMLINK_FOLLOW"]],
  ["x64", "unlinkat", "flags", 0x200n, ["AT_REMOVEDIR"]],
  ["x64", "faccessat2", "flags", 0x300n, ["AT_EACCESS", "AT_SYMLINK_NOFOLLOW"]],
];

for (const [arch, call, argument, value, names] of spelled) {
  test(`${arch}: ${call} ${argument} ${value} is ${String(names)}`, (t) => {
    t.deepEqual(spellArgument(t, arch, call, argument, value), names);
  });
}

function spellArgument(t: ExecutionContext, arch: Arch, call: string, name: string, value: bigint): unknown {
  const argument = callNamed(arch, call).args.find((one) => one.name === name);
  const table = argument === undefined ? undefined : wire[arch].tables[argument.aux];
  return table === undefined ? t.fail(`${call} ${name} has no table`) : spell(table, value);
}

function callNamed(arch: Arch, name: string): WireCall {
  const found = wire[arch].calls.find((call) => call.name === name);
  if (found === undefined) throw new Error(name);
  return found;
}
