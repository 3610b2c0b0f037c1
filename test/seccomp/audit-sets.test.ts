import test from "ava";
import { auditLevels, type AuditLevel } from "../../src/policy/policy.js";
import { auditSet, neverNotified, permissive } from "../../src/seccomp/audit-sets.js";
import { baseDenials } from "../../src/seccomp/base-denials.js";
import { actionName } from "../../src/seccomp/disassemble.js";
import { evaluator } from "../../src/seccomp/evaluate.js";
import { compileFilter } from "../../src/seccomp/filter.js";
import { auditArch, isSyscallName, syscallNumber, syscalls } from "../../src/seccomp/syscall-table.js";

/** The call and the lowest level that puts it on record: "-" for none. */
const table = `
  execve(1, 2, 3) security
  execveat(3) security
  open(1, 0) files
  open(1, 0x80000) files                O_RDONLY, O_CLOEXEC
  open(1, 1) security                   O_WRONLY
  openat(3, 1, 0x10000) files           O_DIRECTORY
  openat(3, 1, 2) security              O_RDWR
  openat(3, 1, 0x40) security           O_CREAT
  openat(3, 1, 0x200) security          O_TRUNC
  openat(3, 1, 0x410002) security       O_TMPFILE
  openat2(3, 1, 2, 24) security
  unlink(1) security
  renameat2(1, 2, 3, 4) security
  fchmodat2(1) security
  setxattrat(1) security
  utimensat(1) files
  socket(2, 1, 0) security
  connect(3, 1, 16) security
  sendto(3, 1, 5, 0, 0, 0) all
  sendto(3, 1, 5, 0, 1, 16) security
  sendto(3, 1, 5, 0, 0x100000000, 16) security
  setuid(0) security
  prctl(15, 1) all                      PR_SET_NAME
  prctl(22, 2) security                 PR_SET_SECCOMP
  prctl(4, 0) security                  PR_SET_DUMPABLE
  seccomp(1, 0, 1) security
  seccomp(2, 0, 1) all
  personality(0xffffffff) all
  personality(0) security
  read(0, 1, 5) all
  stat(1) all
  statx(1) all
  epoll_wait(3) all
  fcntl(3, 5, 1) all                    F_GETLK
  fcntl(3, 0, 10) -                     F_DUPFD
  fcntl(3, 1030, 10) -                  F_DUPFD_CLOEXEC
  fcntl(3, 4, 0x800) -                  F_SETFL
  ptrace(16) denied
  unshare(0x10000000) denied
  clone(0x10000011) denied
  clone(0x1200011) -
  clone3(1, 88) -
  prlimit64(0, 4, 1) denied
  socket(40, 1, 0) denied
  close(3) -
  futex(1) -
  mmap(0) -
  rt_sigreturn(0) -
  wait4(0) -
  getpid(0) -
`;

const rows = [...table.matchAll(/^ *(\w+)\((.*?)\) (\S+)/gm)].map(([, name = "", args = "", level = ""]) => ({
  name,
  args: args.split(", ").map(BigInt),
  level,
}));

for (const arch of ["x64", "arm64"] as const) {
  for (const level of auditLevels) {
    test(`${arch}: level ${level} puts on record what the table says`, (t) => {
      const filter = compileFilter({ arch, profile: permissive, baseDenials, ...auditSet(level, arch) });
      const run = evaluator(filter.program);
      t.is(filter.notifies, level !== "off");
      for (const { name, args, level: lowest } of rows) {
        const nr = syscallNumber(arch, name);
        if (nr === undefined) continue;
        const answer = actionName(run({ nr, arch: auditArch[arch], args }).action);
        t.is(answer === "USER_NOTIF", includes(level, lowest), `${name}(${args.join(", ")}): ${answer}`);
      }
    });
  }
}

function includes(level: AuditLevel, lowest: string): boolean {
  const rank = auditLevels.findIndex((name) => name === lowest);
  return rank >= 0 && auditLevels.indexOf(level) >= rank;
}

test("names in the audit sets and in the list of what is never notified exist", (t) => {
  const names = [
    ...auditSet("files", "x64").notify.flatMap((rule) => rule.names),
    ...neverNotified.flatMap((group) => group.names.split(" ")),
  ];
  for (const name of names) t.true(isSyscallName(name), name);
});

test("all is every call but those never notified", (t) => {
  const all = new Set(auditSet("all", "x64").notify.flatMap((rule) => rule.names));
  const never = new Set(neverNotified.flatMap((group) => group.names.split(" ")));
  for (const name of syscalls("x64").keys()) t.not(all.has(name), never.has(name), name);
});
