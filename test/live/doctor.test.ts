import { spawnSync } from "node:child_process";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import test from "ava";
import { doctor, type DoctorReport } from "../../src/cli/doctor.js";
import { featureNames } from "../../src/host/features.js";
import { limitNames } from "../../src/policy/policy.js";
import { has, requires } from "../helpers/requires.js";

const module = fileURLToPath(new URL("../../src/cli/doctor.js", import.meta.url));

async function examine(options: { json: boolean }) {
  const out = new PassThrough();
  const printed = text(out);
  const status = await doctor(options, out);
  out.end();
  return { status, printed: await printed };
}

function parseReport(json: string): DoctorReport {
  const parsed: unknown = JSON.parse(json);
  if (!isReport(parsed)) throw new TypeError(json);
  return parsed;
}

function isReport(value: unknown): value is DoctorReport {
  return typeof value === "object" && value !== null && "version" in value && value.version === 1;
}

/** The doctor in a process of its own, behind a command that takes something away from it, and from it alone. */
function examineBehind(...prefix: readonly [string, ...string[]]) {
  const script =
    `const { doctor } = await import(${JSON.stringify(module)});` +
    "process.exitCode = await doctor({ json: true }, process.stdout);";
  const [program, ...args] = [...prefix, process.execPath, "--input-type=module", "-e", script];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  const report = parseReport(stdout);
  return { status, report, feature: (name: string) => report.features.find((found) => found.name === name) };
}

requires(test, "userns")("where user namespaces work, everything required does", async (t) => {
  const { status, printed } = await examine({ json: true });
  const report = parseReport(printed);
  t.is(report.version, 1);
  t.true(report.ok, report.verdict);
  t.is(status, 0);
  t.deepEqual(
    report.features.map(({ name }) => name),
    featureNames,
  );
  t.deepEqual(
    report.limits.map(({ limit }) => limit),
    [...limitNames],
  );
});

test("the page ends in the verdict, and each thing that is missing has a cure below it", async (t) => {
  const { printed } = await examine({ json: false });
  const lines = printed.trimEnd().split("\n");
  t.regex(lines.at(-1) ?? "", /^skillbox (runs|cannot run) here/);
  for (const [index, line] of lines.entries()) {
    if (/^ {2}\S+ +missing /i.test(line)) t.regex(lines[index + 1] ?? "", /why: {2}/);
  }
});

test("a caller without a cgroup is told which limits it cannot have, and the way to them", async (t) => {
  const report = parseReport((await examine({ json: true })).printed);
  const memory = report.limits.find(({ limit }) => limit === "memory");
  t.is(memory?.available, has("cgroup-v1") || has("cgroup-v2"));
  if (memory?.available === false) {
    t.regex(report.verdict, /cannot limit memory/);
    t.truthy(memory.hint);
  }
});

requires(test, "userns")("no user namespaces left: exit 1, the sysctl named, one cause for all", (t) => {
  // The sysctl counts per user namespace, so that this one's limit is nobody else's.
  const starved = 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"';
  const { status, report, feature } = examineBehind("unshare", "-Ur", "sh", "-c", starved, "sh");
  t.is(status, 1);
  t.false(report.ok);
  t.like(feature("user-ns"), { status: "missing", errno: "ENOSPC", operation: "clone3" });
  t.regex(feature("user-ns")?.hint ?? "", /user\.max_user_namespaces=/);
  t.is(feature("proc")?.blockedBy, "user-ns");
  t.regex(report.verdict, /^skillbox cannot run here: user-ns: [^;]*max_user_namespaces is 0/);
});

requires(test, "userns")("a masked /proc: exit 1, and the mask is named", (t) => {
  const apart = has("root")
    ? ["unshare", "-m"]
    : ["unshare", "-U", "--map-current-user", "--keep-caps", "-m"];
  const masked = 'mount --bind /dev/null /proc/kallsyms && exec "$@"';
  const { status, report, feature } = examineBehind("unshare", ...apart, "sh", "-c", masked, "sh");
  t.is(status, 1);
  t.true(report.host.procMasked);
  t.like(feature("proc"), { status: "missing", errno: "EPERM" });
  t.regex(feature("proc")?.reason ?? "", /masked/);
  t.is(feature("no-more-user-ns")?.blockedBy, "proc");
  t.is(feature("overlay-read")?.status, "ok");
});
