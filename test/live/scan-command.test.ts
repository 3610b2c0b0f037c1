import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import test, { type ExecutionContext } from "ava";
import { scanReportSchema } from "../../src/scan/scan-report.js";
import { callerEnvironment, cli } from "../helpers/exec.js";
import { assertUnchanged, snapshotHost } from "../helpers/host-state.js";
import { requiresScan } from "../helpers/requires.js";
import { fixture, scratch, type Scratch } from "../helpers/scratch.js";

const liveTest = requiresScan(test, "program:python3");

function scan(t: ExecutionContext, box: Scratch, ...options: string[]) {
  const json = box.at("report.json");
  const { status, stderr } = spawnSync(
    process.execPath,
    [cli, "scan", "--runtime", "--json", json, ...options, box.at("skill")],
    { encoding: "utf8", env: callerEnvironment(box), cwd: box.work },
  );
  t.log(stderr.slice(0, 300));
  return { status, stderr, report: () => scanReportSchema.parse(JSON.parse(readFileSync(json, "utf8"))) };
}

function skillFor(box: Scratch, name: string): void {
  cpSync(fixture(`skills/${name}`), box.at("skill"), { recursive: true });
}

liveTest.serial("a finding that was accepted counts no more, until its acceptance is over", (t) => {
  const box = scratch(t);
  skillFor(box, "hostile-credential-post");
  const first = scan(t, box);
  t.is(first.status, 1);
  const ids = first.report().findings.items.map(({ id }) => id);
  t.true(ids.length > 0);
  const accept = (expires: string): string =>
    box.file(
      "baseline.json",
      JSON.stringify({ version: 1, accept: ids.map((id) => ({ id, reason: "known", expires })) }),
    );
  t.is(scan(t, box, "--baseline", accept("2999-12-31")).status, 0);
  const expired = scan(t, box, "--baseline", accept("2001-01-01"));
  t.is(expired.status, 1);
  t.true(
    expired.report().findings.items.every(({ status }) => status.state === "open" && "expired" in status),
  );
  const wrong = scan(t, box, "--baseline", box.file("wrong.json", '{"version": 1, "accept": [{"id": "x"}]}'));
  t.is(wrong.status, 2);
  t.regex(wrong.stderr, /the baseline .* is wrong/);
});

liveTest.serial("records are kept where they are asked for, and are what the report says of them", (t) => {
  const box = scratch(t);
  skillFor(box, "honest-report");
  t.is(scan(t, box).report().runs.items[0]?.record, undefined);
  const { runs, scanId } = scan(t, box, "--keep-records", box.at("records")).report();
  t.true(runs.items.length > 0);
  for (const { id, record } of runs.items) {
    const file = box.at(`records/${scanId}/${id}.jsonl`);
    const text = readFileSync(file, "utf8");
    const sha256 = createHash("sha256").update(text).digest("hex");
    t.like(record, { file, sha256, events: text.trimEnd().split("\n").length });
  }
  const wrong = scan(t, box, "--keep-records", box.file("no-directory", ""));
  t.is(wrong.status, 2);
  t.regex(wrong.stderr, /records cannot be kept/);
});

liveTest.serial(
  "the policy that a scan proposes covers what the skill does, and no line of it can be spared",
  (t) => {
    const box = scratch(t);
    skillFor(box, "honest-api-client");
    const policy = box.at("skill/security_policy.yaml");
    const proposed = box.at("proposed.yaml");
    scan(t, box, "--suggest-policy", proposed);
    const text = readFileSync(proposed, "utf8");
    t.regex(text, /egress:/);

    const undeclared = (declared: string): readonly string[] => {
      writeFileSync(policy, declared);
      return scan(t, box)
        .report()
        .drift.items.filter(({ state }) => state === "UNDER_DECLARED")
        .map(({ subject }) => subject);
    };
    t.deepEqual(undeclared(text), []);
    const lines = text.split("\n");
    const targets = lines.filter((line) => /^\s+- [a-z0-9.-]+\.[a-z]+$/.test(line));
    t.true(targets.length > 0);
    for (const target of targets) {
      const without = lines
        .map((line) => (line === target ? line.replace(/- .*/, "- nowhere.invalid") : line))
        .join("\n");
      t.true(undeclared(without).length > 0, target);
    }
  },
);

liveTest.serial("what is no skill, or says two things, is told, and nothing is left", async (t) => {
  const box = scratch(t);
  const before = snapshotHost();
  const front = (extra: string): void => {
    box.file("skill/SKILL.md", `---\nname: a-skill\ndescription: Does something.\n${extra}---\n\nText.\n`);
  };
  for (const [extra, message] of [
    [
      "metadata:\n  security_policy: |\n    version: 1\nsecurity_policy:\n  version: 1\n  resources: { pids: 3 }\n",
      /security_policy/,
    ],
    ["name: again\n", /SKILL\.md:\d+:\d+: error/],
    ["metadata: 7\n", /metadata/],
    ["metadata:\n  security_policy: ../outside.yaml\n", /outside/],
  ] as const) {
    front(extra);
    const { status, stderr } = scan(t, box);
    t.is(status, 2, `${extra}\n${stderr}`);
    t.regex(stderr, message);
  }
  front("");
  const empty = scan(t, box);
  t.is(empty.report().coverage.entryPoints, 0);
  await t.notThrowsAsync(assertUnchanged(before));
});
