/**
 * Fuzzes what skillbox-init and the notify thread decode, under ASan and UBSan:
 *
 *     node dist/test/fuzz/native.js [--seconds N] [--seed N] [plan|notification…]
 *
 * With libFuzzer where clang is installed, else with test/native/fuzz_driver.cc and g++. An input that is objected to is left in the
 * working directory, and the status is 1.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

import { encodeAuditTables } from "../../src/audit/encode-tables.js";
import { encodeLaunch, encodeProcess } from "../../src/plan/encode.js";
import { defaultPolicy } from "../../src/policy/default.js";
import { encodeAuditView } from "../../src/sandbox/audit-view.js";
import { prepare } from "../../src/sandbox/prepare.js";
import { syscallNumber } from "../../src/seccomp/syscall-table.js";

const { values, positionals } = parseArgs({
  options: { seconds: { type: "string" }, seed: { type: "string" } },
  allowPositionals: true,
});
const seconds = Number(values.seconds ?? 10);
const seed = Number(values.seed ?? 1 + (Date.now() % 2 ** 31));
const root = path.resolve(import.meta.dirname, "../../..");
const folder = mkdtempSync(path.join(tmpdir(), "fuzz-native-"));

interface Target {
  readonly name: string;
  readonly sources: readonly string[];
  readonly seeds: readonly Uint8Array[];
}

const preparation = prepare({
  policy: defaultPolicy(),
  argv: ["true"],
  cwd: mkdir("work"),
  environment: process.env,
});

const targets: readonly Target[] = [
  { name: "plan", sources: ["native/init/launch_plan.cc"], seeds: plans() },
  {
    name: "notification",
    sources: ["bpf", "decode", "json", "memory", "tables", "view"].map((name) => `native/audit/${name}.cc`),
    seeds: notifications(),
  },
];

try {
  writeFileSync(path.join(folder, "tables"), encodeAuditTables(preparation.arch));
  writeFileSync(path.join(folder, "view"), encodeAuditView(preparation.plan));
  for (const target of targets) {
    if (positionals.length === 0 || positionals.includes(target.name)) fuzz(target);
  }
} finally {
  rmSync(folder, { recursive: true });
}

function fuzz({ name, sources, seeds }: Target): void {
  const corpus = mkdir(`corpus-${name}`);
  seeds.forEach((bytes, index) => {
    writeFileSync(path.join(corpus, String(index)), bytes);
  });
  const { program, engine } = build(name, sources);
  const options = [
    `-max_total_time=${seconds}`,
    `-seed=${seed}`,
    "-max_len=8192",
    "-print_final_stats=1",
    `-artifact_prefix=${path.resolve(`${name}-`)}`,
  ];
  const { status, stdout, stderr } = spawnSync(program, [...options, corpus], {
    encoding: "utf8",
    maxBuffer: 1 << 28,
    env: {
      ...process.env,
      SKILLBOX_FUZZ_TABLES: path.join(folder, "tables"),
      SKILLBOX_FUZZ_VIEW: path.join(folder, "view"),
    },
  });
  const output = `${stdout}${stderr}`;
  if (status !== 0) {
    console.error(output.slice(-8000));
    console.error(`${name}: an input was objected to; it is in ${path.resolve(`${name}-`)}*`);
    process.exitCode = 1;
    return;
  }
  const executions = /number_of_executed_units: (\d+)/.exec(output)?.[1] ?? "?";
  const reached = /edges: (\d+)/.exec(output)?.[1] ?? /cov: (\d+)(?![\s\S]*cov: )/.exec(output)?.[1] ?? "?";
  console.log(
    `${name}: ${executions} inputs in ${seconds} s, ${reached} edges, ${engine}, seed ${seed}: no finding`,
  );
}

function build(name: string, sources: readonly string[]): { program: string; engine: string } {
  const program = path.join(folder, name);
  const flags =
    "-std=c++20 -g -O1 -fno-exceptions -fno-rtti -D_GNU_SOURCE -fno-omit-frame-pointer -fno-sanitize-recover=all";
  const inputs = [...sources, `test/native/fuzz_${name}.cc`];
  for (const clang of ["clang++", "clang++-14"]) {
    // clang's run time is a package of its own, which may be missing.
    const libFuzzer = "-fsanitize=fuzzer,address,undefined";
    if (tryCompile(clang, [...flags.split(" "), libFuzzer, ...inputs, "-o", program]).status === 0)
      return { program, engine: "libFuzzer" };
  }
  const driver = path.join(folder, "driver.o");
  compile("g++", ["-std=c++20", "-O2", "-c", "test/native/fuzz_driver.cc", "-o", driver]);
  const coverage = "-fsanitize-coverage=trace-pc";
  compile("g++", [
    ...flags.split(" "),
    "-fsanitize=address,undefined",
    coverage,
    ...inputs,
    driver,
    "-o",
    program,
  ]);
  return { program, engine: "fuzz_driver" };
}

function compile(compiler: string, argv: readonly string[]): void {
  const { status, stderr } = tryCompile(compiler, argv);
  if (status !== 0) throw new Error(`${compiler}: ${stderr}`);
}

function tryCompile(compiler: string, argv: readonly string[]): { status: number | null; stderr: string } {
  return spawnSync(compiler, argv, { cwd: root, encoding: "utf8" });
}

/** What the supervisor would send, with a filter of two instructions in place of hundreds. */
function plans(): Uint8Array[] {
  const { plan } = preparation;
  const short = {
    ...plan,
    seccomp: { ...plan.seccomp, program: plan.seccomp.program.subarray(0, 16) },
    operations: plan.operations.slice(0, 12),
  };
  const found = { device: 1n, inode: 2n, uid: 3, gid: 4 };
  const sources = new Map(
    plan.operations.flatMap((operation) =>
      "source" in operation ? [[operation.source.path, found] as const] : [],
    ),
  );
  const facts = {
    rootCaller: false,
    outside: { uid: 1, gid: 2 },
    sources,
    cgroupFiles: ["/sys/a"],
    cgroupDirectory: "/sys/b",
  };
  return [
    encodeLaunch(short, facts),
    encodeProcess({ ...preparation.process, id: 1, oneshot: true, terminal: undefined, env: ["A=b"] }),
  ];
}

/** A call of each kind of argument, its pointers into a memory of strings, an address, a vector and structures. */
function notifications(): Uint8Array[] {
  const base = 0x1000;
  const parts: Buffer[] = [];
  const place = (bytes: Uint8Array): number => {
    const at = parts.reduce((sum, { length }) => sum + length, base);
    parts.push(Buffer.from(bytes));
    return at;
  };
  const words = (...numbers: readonly (number | bigint)[]): Buffer => {
    const buffer = Buffer.alloc(numbers.length * 8);
    numbers.forEach((number, index) => buffer.writeBigUInt64LE(BigInt(number), index * 8));
    return buffer;
  };
  const text = place(Buffer.from("/usr/../etc/p\u{1f600}\0"));
  const relative = place(Buffer.from("a\xff\n\0", "latin1"));
  const vector = place(words(text, relative, text, 0));
  const inet = place(Buffer.from([2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]));
  const inet6 = place(Buffer.concat([Buffer.from([10, 0, 1, 187, 0, 0, 0, 0]), Buffer.alloc(20, 1)]));
  const unix = place(Buffer.from("\x01\0/run/x\0"));
  const message = place(words(inet6, 28, 0, 0, 0, 0, 0));
  const how = place(words(0o101, 0o644, 8));
  const limit = place(words(1024, 2n ** 64n - 1n));
  const memory = Buffer.concat(parts);
  const call = (name: string, ...registers: readonly number[]): Uint8Array => {
    const data = Buffer.alloc(64);
    data.writeInt32LE(syscallNumber(preparation.arch, name) ?? -1, 0);
    registers.forEach((value, index) =>
      data.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 16 + index * 8),
    );
    return Buffer.concat([data, Buffer.from("\x03sh\xff", "latin1"), memory]);
  };
  return [
    call("openat", -100, text, 0o101, 0o644),
    call("openat", 3, relative, 0),
    call("openat2", -100, relative, how, 24),
    call("execve", text, vector, vector),
    call("connect", 3, inet, 16),
    call("connect", 3, inet6, 28),
    call("connect", 3, unix, 9),
    call("sendmsg", 3, message, 0x4000),
    call("renameat2", -100, text, 3, relative, 1),
    call("prlimit64", 0, 7, limit, 0),
    call("clone3", how, 64),
    call("setsockopt", 3, 1, 2),
    call("mount", text, text, relative, 1),
    call("prctl", 38, 1),
  ];
}

function mkdir(name: string): string {
  const created = path.join(folder, name);
  mkdirSync(created, { recursive: true });
  return created;
}
