/**
 * Runs the live tests in a machine with cgroup v2, once for each kind of caller, and where they are named those of test/vm, which
 * change the machine into hosts of other kinds:
 *
 *     npm run test:vm -- [delegated | session | root | hosts | no-ipv6]… [PART-OF-A-FILE-NAME]…
 *
 * The scripts that build and start the machine lie outside the repository: in $SKILLBOX_VM_TOOLS, or in shared/vm
 * beside the checkout.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

const root = path.resolve(import.meta.dirname, "../../..");
const machine = process.env["VM"] ?? "/tmp/vm";
const GiB = 1024 ** 3;

interface Caller {
  readonly flags: readonly string[];
  /** Of tools/test.js, and the file in it; all live tests where it is not told. */
  readonly suite?: readonly string[];
  readonly kernelParameters?: string;
  /** What this caller cannot have; a test that skips for anything else has failed. */
  readonly maySkip: readonly string[];
  /** Where the tests keep their files, when not in /tmp. */
  readonly scratch?: string;
}

/** What the machine is not built with. */
const missing = ["java", "postgres", "psql", "redis-cli", "redis-server", "ssh", "sshd", "wget"].map(
  (name) => `program:${name}`,
);

const callers: Readonly<Record<string, Caller>> = {
  /** A login without systemd, its own cgroup delegated by hand. */
  delegated: { flags: [], maySkip: ["root", "cgroup-v1", "systemd-user"] },
  /** A systemd user session, as on a desktop or a server login: the delegation has to be asked for. */
  session: { flags: ["--systemd"], maySkip: ["root", "cgroup-v1"] },
  /** A root caller's grants are idmapped, and /tmp is a tmpfs, which has no idmapped mounts before Linux 6.3. */
  root: {
    flags: ["--user", "root"],
    maySkip: ["ordinary-user", "cgroup-v1", "systemd-user"],
    scratch: "/var/tmp",
  },
  hosts: { flags: ["--user", "root"], suite: ["vm", "vm/hosts"], maySkip: [] },
  "no-ipv6": {
    flags: ["--user", "root"],
    suite: ["vm", "vm/no-ipv6"],
    kernelParameters: "ipv6.disable=1",
    maySkip: [],
  },
};

/** Those for which all live tests run. */
const everybody = Object.keys(callers).filter((name) => callers[name]?.suite === undefined);

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const named = argv.filter((argument) => argument in callers);
  const chosen = named.length > 0 ? named : everybody;
  const filters = argv.filter((argument) => !(argument in callers));

  const tools = findTools();
  const obstacle = tools === undefined ? "no scripts for a virtual machine here" : buildMachine(tools);
  if (tools === undefined || obstacle !== undefined) {
    console.log(`The tests in the virtual machine are skipped: ${obstacle}`);
    console.log(`\n0 passed, 0 failed, ${chosen.length} skipped`);
    return process.env["SKILLBOX_TEST_MUST_RUN"] === "1" ? 1 : 0;
  }

  const job = assembleJob();
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    for (const name of chosen) {
      const caller = callers[name];
      if (caller === undefined) continue;
      console.log(`\nIn the virtual machine, as ${name}`);
      const counts = await runTests(tools, job, caller, filters);
      total.passed += counts.passed;
      total.failed += counts.failed;
      total.skipped += counts.skipped;
    }
  } finally {
    rmSync(job, { recursive: true });
  }
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  return total.failed > 0 || total.passed === 0 ? 1 : 0;
}

function findTools(): string | undefined {
  const candidates = [process.env["SKILLBOX_VM_TOOLS"], path.join(root, "../shared/vm")];
  return candidates.find((folder) => folder !== undefined && existsSync(path.join(folder, "run")));
}

/** Returns what stands in the way, if anything does. */
function buildMachine(tools: string): string | undefined {
  if (["vmlinuz", "initrd.gz", "root.ext4"].every((file) => existsSync(path.join(machine, file))))
    return undefined;
  if (process.geteuid?.() !== 0) return `there is no machine in ${machine}, and only root can build one`;
  const disk = statfsSync(path.dirname(machine));
  if (disk.bavail * disk.bsize < 6 * GiB)
    return `a machine in ${machine} takes 6 GiB of disk, which is not there`;
  console.log(`Building the virtual machine in ${machine}, once: about two minutes`);
  for (let attempt = 1; attempt <= 2; attempt++) {
    const { status } = spawnSync(path.join(tools, "build"), { stdio: ["ignore", "inherit", "inherit"] });
    if (status === 0) return undefined;
    rmSync(machine, { recursive: true, force: true });
  }
  throw new Error(`The virtual machine could not be built by ${tools}/build`);
}

/** The part of the tree that the tests run, with ava and what the package depends on. */
function assembleJob(): string {
  const job = mkdtempSync(path.join(tmpdir(), "skillbox-job-"));
  // Its mode becomes that of the folder in the machine, where more than one user goes.
  chmodSync(job, 0o755);
  const parts = [
    ...[
      "package.json",
      "ava.config.js",
      "bin",
      "dist",
      "schema",
      "seccomp-profiles",
      "tools",
      "test/fixtures",
    ],
    ...["build/Release/skillbox.node", "build/Release/skillbox-init", "build/Release/skillbox-selftest"],
    ...runtimePackages(),
  ];
  for (const part of parts) {
    const source = path.join(root, part);
    if (existsSync(source)) cpSync(source, path.join(job, part), { recursive: true, verbatimSymlinks: true });
  }
  return job;
}

/** node_modules/NAME of every package that the product or ava loads. */
function runtimePackages(): string[] {
  const found = new Set<string>();
  collectPackages("", ["ava", ...dependenciesOf(root)], found);
  // What is nested in another package's folder comes along with it.
  return [...found].filter((folder) => folder.lastIndexOf("node_modules") === 0);
}

/** Looks names up as node does: in the nearest node_modules at or above the folder that asks. */
function collectPackages(folder: string, names: readonly string[], found: Set<string>): void {
  for (const name of names) {
    let from = folder;
    while (from !== "." && from !== "" && !existsSync(path.join(root, from, "node_modules", name))) {
      from = path.dirname(from);
    }
    const location = path.join(from, "node_modules", name);
    if (found.has(location) || !existsSync(path.join(root, location))) continue;
    found.add(location);
    collectPackages(location, dependenciesOf(path.join(root, location)), found);
  }
}

function dependenciesOf(folder: string): string[] {
  const manifest: unknown = JSON.parse(readFileSync(path.join(folder, "package.json"), "utf8"));
  const hasDependencies = typeof manifest === "object" && manifest !== null && "dependencies" in manifest;
  const dependencies: unknown = hasDependencies ? manifest.dependencies : undefined;
  return Object.keys(typeof dependencies === "object" && dependencies !== null ? dependencies : {});
}

/** Everything is emulated there: a test has ten minutes. */
async function runTests(
  tools: string,
  job: string,
  { flags, suite = ["live"], kernelParameters, maySkip, scratch = "/tmp" }: Caller,
  filters: readonly string[],
): Promise<Counts> {
  const words = ["node", "tools/test.js", ...suite, ...filters, "--", "--timeout=10m"].map(quoteForShell);
  const variables = [
    "FORCE_COLOR=0",
    "SKILLBOX_TEST_OWN_MACHINE=1",
    `TMPDIR=${scratch}`,
    `SKILLBOX_TEST_MAY_SKIP=${[...maySkip, ...missing].join()}`,
  ];
  const command = [...variables, ...words].join(" ");
  const programs = kernelParameters === undefined ? undefined : qemuWith(kernelParameters);
  const child = spawn(path.join(tools, "run"), [...flags, "--time", "1800", "--dir", job, "--", command], {
    env: { ...process.env, VM: machine, PATH: [programs ?? [], process.env["PATH"] ?? ""].flat().join(":") },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = new Promise<number | NodeJS.Signals | null>((resolve) => {
    child.once("close", (code, signal) => resolve(signal ?? code));
  });
  let counts: Counts | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    console.log(`  ${line}`);
    counts = readCounts(line) ?? counts;
  }
  const status = await exited;
  if (programs !== undefined) rmSync(programs, { recursive: true });
  if (counts !== undefined && (status === 0) === (counts.failed === 0)) return counts;
  console.log(`The virtual machine ended with ${status}, which does not fit what it printed.`);
  return { passed: 0, skipped: 0, ...counts, failed: Math.max(1, counts?.failed ?? 0) };
}

/** A folder for PATH with an emulator that adds to the kernel's command line, since the machine's script has no option for that. */
function qemuWith(kernelParameters: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "qemu-with-"));
  const script = [
    "#!/bin/sh",
    "for argument; do",
    "  shift",
    `  case $argument in console=*) argument="$argument ${kernelParameters}" ;; esac`,
    '  set -- "$@" "$argument"',
    "done",
    'PATH=${PATH#*:} exec qemu-system-x86_64 "$@"',
  ];
  writeFileSync(path.join(folder, "qemu-system-x86_64"), `${script.join("\n")}\n`, { mode: 0o755 });
  return folder;
}

/** The machine's script takes its command as a line for a shell. */
function quoteForShell(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

function readCounts(line: string): Counts | undefined {
  const [, passed, failed, skipped] = /^(\d+) passed, (\d+) failed, (\d+) skipped$/.exec(line) ?? [];
  if (passed === undefined) return undefined;
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}
