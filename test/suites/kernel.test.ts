import { readdirSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";
import { passing, readTap, summary, unexplained, type Outcomes } from "./compare.js";
import { kernel } from "./differences.js";
import { isInstalled, runInside, runOutside, suite, workplace } from "./places.js";

/** The kernel's own tests (tools/testing/selftests): outside with all capabilities in a namespace of their own. */
const suiteTest = requires(test, "userns", "program:unshare");

/** Not a test, or one that takes minutes whatever comes of it. */
const leftOut = new Set([
  "landlock/true",
  "seccomp/seccomp_benchmark",
  // Waits for 30 s in each of its cases for a ptrace() that is refused.
  "landlock/ptrace_test",
  // 15 million attempts at one race.
  "openat2/rename_attack_test",
]);

/** Their tracer asks for PTRACE_ATTACH until it is not refused: each takes its whole 30 s. */
const needPtrace = ["-F", "TRACE_poke", "-F", "TRACE_syscall"];

const policy = (folder: string): string =>
  `version: 1\nfilesystem: { write: [${folder}] }\nresources: { wallTime: 5m }\naudit: { level: denied }\n`;

if (isInstalled) {
  for (const folder of readdirSync(suite("kernel"))) {
    suiteTest.serial(`the kernel's tests of ${folder} fail inside only where we refuse`, async (t) => {
      t.timeout(600_000);
      const { outside, inside } = await runFolder(t, folder);
      t.log(summary(outside, inside));
      t.true(passing(outside) > 0);
      t.deepEqual(unexplained(outside, inside, kernel[folder] ?? {}), []);
    });
  }
}

async function runFolder(t: ExecutionContext, folder: string) {
  const box = scratch(t);
  const source = suite(`kernel/${folder}`);
  const places = {
    outside: workplace(box, "outside", source),
    inside: workplace(box, "inside", source),
  };
  const outside = new Map<string, string>();
  const inside = new Map<string, string>();
  for (const name of readdirSync(source).filter((each) => !leftOut.has(`${folder}/${each}`))) {
    const argv = [`./${name}`, ...(name === "seccomp_bpf" ? needPtrace : [])];
    outside.set(name, await runOutside(places.outside, argv, { asRoot: folder !== "seccomp" }));
    inside.set(name, await runInside(box, places.inside, argv, policy(places.inside)));
  }
  return { outside: readAll(outside), inside: readAll(inside) };
}

function readAll(outputs: ReadonlyMap<string, string>): Outcomes {
  return new Map([...outputs].flatMap(([name, text]) => [...readTap(name, text)]));
}
