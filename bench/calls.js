/** What a record costs a system call: 30 000 of them in one program, with and without. */
import { release } from "node:os";
import path from "node:path";
import { sandbox } from "../dist/src/index.js";
import { interleaved, spawned } from "./measure.js";

const source = path.resolve(import.meta.dirname, "../test/fixtures/probes/audit-calls.c");

/** [what, level, the program's word for it] @type {readonly [string, "files" | "all", string][]} */
const kinds = [
  ["openat, read", "files", "read"],
  ["openat, not there", "files", "missing"],
  ["openat, write", "files", "write"],
  ["getpriority, no strings", "all", "getpriority"],
];

/** @param {import("./bench.js").Bench} bench */
export async function calls(bench) {
  const program = path.join(bench.folder, "audit-calls");
  try {
    await spawned(["gcc", "-O2", "-pthread", "-o", program, source]);
  } catch (error) {
    bench.omit("audited calls", `gcc is needed (${String(error)})`);
    return;
  }
  const strace = bench.peers.some(({ name }) => name === "strace");
  for (const [what, level, word] of kinds) {
    const samples = await interleaved(bench.quick ? 2 : 7, {
      unrecorded: () => inside(bench, "off", [program, word, "1", "30000"]),
      recorded: () => inside(bench, level, [program, word, "1", "30000"]),
      "no sandbox": async () => nsPerCall(await spawned([program, word, "1", "30000"])) / 1000,
      ...(strace ? { "strace -f": () => traced([program, word, "1", "3000"]) } : {}),
    });
    bench.add({
      what: `a call, ${what}`,
      unit: "µs",
      samples,
      base: "unrecorded",
      // Before Linux 6.6 a notification wakes its reader on another processor, which takes twice as long.
      bars:
        level === "files" && kernelHasSyncWakeUp()
          ? [{ who: "recorded", of: "extra", to: "unrecorded", atMost: 14 }]
          : [],
    });
  }
}

/**
 * Microseconds a call.
 *
 * @param {import("./bench.js").Bench} bench
 * @param {"off" | "files" | "all"} level
 * @param {readonly string[]} argv
 */
async function inside(bench, level, argv) {
  const { stdout, exitCode } = await sandbox({
    argv,
    cwd: bench.folder,
    policy: { version: 1, filesystem: { read: ["."] }, audit: { level } },
    auditFile: path.join(bench.folder, "record"),
  });
  if (exitCode !== 0) throw new Error(`${argv.join(" ")}: exit status ${exitCode}`);
  return nsPerCall(stdout) / 1000;
}

/** @param {readonly string[]} argv */
async function traced(argv) {
  return (
    nsPerCall(await spawned(["strace", "-f", "-o", "/dev/null", "-e", "trace=openat,getpriority", ...argv])) /
    1000
  );
}

/** As audit-calls.c prints them. @param {string} stdout */
function nsPerCall(stdout) {
  return Number(stdout.trim().split(" ")[3]);
}

function kernelHasSyncWakeUp() {
  const [major = 0, minor = 0] = release().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 6);
}
