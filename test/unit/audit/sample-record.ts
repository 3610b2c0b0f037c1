import type { AuditEvent } from "../../../src/audit/event.js";

const run = "f1f5d9af-1892-4b4f-81c4-2631884b8cd0";

export interface Members {
  readonly type: string;
  readonly args?: Readonly<Record<string, unknown>>;
  readonly [name: string]: unknown;
}

const startMs = Date.parse("2026-11-22T10:00:00.000Z");

/** The lines of a record of these events, numbered, a tenth of a second apart. */
export function recordOf(events: readonly Members[]): string {
  return events.map((members, index) => `${lineOf(members, index)}\n`).join("");
}

export function lineOf(members: Members, index: number): string {
  const time = new Date(startMs + index * 100).toISOString().replace("Z", "000Z");
  return JSON.stringify({ v: 1, seq: index + 1, time, run, ...members });
}

export const shell = { pid: 2, ppid: 1, comm: "sh", exe: "/usr/bin/dash" };
export const python = { pid: 3, ppid: 2, comm: "python3", exe: "/usr/bin/python3.11" };

export const runStart = {
  type: "run.start",
  policy: { name: "pdf-tools", sha256: "ab".repeat(32) },
  argv: ["sh", "-c", "python3 main.py"],
  cwd: "/work",
  caller: { uid: 1000 },
  host: { kernel: "6.18.0", arch: "x64" },
  limits: [{ resource: "pids", requested: "64", enforcedBy: "rlimit RLIMIT_NPROC, per sandbox" }],
  level: "security",
  filter: { instructions: 190 },
};

export const runEnd = {
  type: "run.end",
  result: {
    runId: run,
    outcome: "exited",
    exitCode: 1,
    wallTimeMs: 1234.5,
    cpuTimeMs: { user: 30, system: 12 },
    memoryPeakBytes: 9_793_536,
    limits: runStart.limits,
    layers: ["user", "mount", "seccomp"],
    network: { connections: 1, denied: 1, bytesIn: 2048, bytesOut: 100 },
    changes: 0,
  },
};

/** One run with something of everything. */
export const sample: readonly Members[] = [
  runStart,
  {
    type: "process.exec",
    pid: 2,
    ppid: 1,
    comm: "skillbox-init",
    exe: "/opt/skillbox-init",
    syscall: "execve",
    args: { path: "/usr/bin/sh", argv: ["sh", "-c", "python3 main.py"] },
    verdict: "expected-allow",
  },
  {
    type: "process.exec",
    ...python,
    comm: "sh",
    exe: "/usr/bin/dash",
    syscall: "execve",
    args: { path: "/usr/bin/python3", argv: ["python3", "main.py"] },
    verdict: "expected-allow",
  },
  {
    type: "file.open",
    ...python,
    syscall: "openat",
    args: { dirfd: "AT_FDCWD", path: "/etc/shadow", flags: ["O_RDONLY", "O_CLOEXEC"], mode: "0000" },
    verdict: "expected-deny",
    rule: "filesystem",
  },
  ...["a", "b", "b"].map((name) => ({
    type: "file.open",
    ...python,
    syscall: "openat",
    args: {
      dirfd: "AT_FDCWD",
      path: `/work/out/${name}.txt`,
      given: `out/${name}.txt`,
      flags: ["O_WRONLY", "O_CREAT", "O_TRUNC", "O_CLOEXEC"],
      mode: "0666",
    },
    verdict: "expected-allow",
  })),
  {
    type: "file.rename",
    ...python,
    syscall: "rename",
    args: { oldpath: "/work/out/a.txt", newpath: "/work/out/c.txt" },
    verdict: "expected-allow",
  },
  {
    type: "file.delete",
    ...python,
    syscall: "unlink",
    args: { path: "/work/out/b.txt" },
    verdict: "expected-allow",
  },
  {
    type: "net.dns",
    name: "telemetry.example",
    query: "A",
    protocol: "udp",
    response: "NXDOMAIN",
    verdict: "deny",
    rule: "default",
    hint: 'network.egress: [{ to: ["telemetry.example"] }]',
  },
  {
    type: "net.dns",
    name: "pypi.org",
    query: "A",
    protocol: "udp",
    response: "55.98.0.1",
    verdict: "allow",
    rule: "p.yaml:12:11",
  },
  {
    type: "net.connect",
    ...python,
    tid: 7,
    syscall: "connect",
    args: { sockfd: 3, addr: { family: "AF_INET", address: "55.98.0.1", port: 443 } },
    name: "pypi.org",
    verdict: "allow",
    rule: "p.yaml:12:11",
  },
  {
    type: "net.tls",
    name: "pypi.org",
    address: "55.98.0.1",
    port: 443,
    serverName: "pypi.org",
    alpn: ["h2"],
    verdict: "allow",
  },
  {
    type: "net.close",
    name: "pypi.org",
    address: "55.98.0.1",
    port: 443,
    bytesIn: 2048,
    bytesOut: 100,
    reason: "program",
  },
  {
    type: "privilege",
    ...python,
    syscall: "unshare",
    args: { flags: ["CLONE_NEWUSER"] },
    verdict: "deny",
    rule: "syscalls",
    errno: "EPERM",
  },
  { type: "process.signal", ...shell, syscall: "kill", args: { pid: 3, sig: "SIGTERM" }, verdict: "allow" },
  { type: "process.exit", ...python, signal: "SIGTERM" },
  { type: "process.exit", ...shell, exitCode: 1 },
  runEnd,
];

/** The events by the schema's own types, which the compiler checks. */
export const typed: readonly AuditEvent[] = [
  {
    v: 1,
    seq: 17,
    time: "2026-11-22T10:00:00.123456Z",
    run,
    type: "file.open",
    pid: 3,
    ppid: 2,
    comm: "python3",
    exe: "/usr/bin/python3.11",
    syscall: "openat",
    args: { dirfd: "AT_FDCWD", path: "/etc/shadow", flags: ["O_RDONLY", "O_CLOEXEC"], mode: "0644" },
    verdict: "expected-deny",
    rule: "filesystem",
  },
  { v: 1, seq: 18, time: "2026-11-22T10:00:00.123457Z", run, type: "audit.gap", dropped: 3 },
  {
    v: 1,
    seq: 19,
    time: "2026-11-22T10:00:00.123458Z",
    run,
    type: "resource.limit",
    resource: "memory",
    requested: "512MiB",
  },
];
