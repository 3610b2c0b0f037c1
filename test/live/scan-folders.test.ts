import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { scanReportSchema } from "../../src/scan/scan-report.js";
import { scanSkill } from "../../src/scan/scan.js";
import { callerEnvironment, cli } from "../helpers/exec.js";
import { requiresScan } from "../helpers/requires.js";
import { scratch, type Scratch } from "../helpers/scratch.js";
import { folderRules } from "../helpers/skill-folders.js";

const liveTest = requiresScan(test, "program:python3", "program:bash");
const front = "---\nname: a-folder\ndescription: A folder.\n---\n";

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

liveTest.serial(
  "special files, links out, deceptive names and changed files are found, and none is opened",
  async (t) => {
    const box = scratch(t);
    box.file("work/SKILL.md", front);
    box.file("work/run.sh", "true\n");
    t.is(spawnSync("mkfifo", [box.at("work/fifo")]).status, 0);
    const server = net.createServer().listen(box.at("work/socket"));
    await once(server, "listening");
    t.teardown(() => server.close());
    box.file("work/set-id", "#!/bin/sh\n", 0o4755);
    symlinkSync("/etc/shadow", box.at("work/out"));
    symlinkSync("run.sh", box.at("work/within"));
    box.file("work/\x1b[31mred\nline.txt", "x");
    box.file("work/\u202etxt.sh", "true\n");
    writeFileSync(Buffer.concat([Buffer.from(`${box.work}/`), Buffer.from([0xff, 0xfe])]), "x");
    const files = { "SKILL.md": digest(front), "run.sh": digest("false\n"), "gone.txt": digest("") };
    const installed = {
      registry: "https://skills.example",
      namespace: "acme",
      slug: "a-folder",
      version: "1.2.0",
      versionId: 7,
    };
    box.file("work/.skillhub/metadata.json", JSON.stringify({ ...installed, files }));
    const report = await scanSkill({ directory: box.work, timeoutMs: 5000 });
    const found = report.findings.items.map(({ ruleId, place }) => `${ruleId} ${place.file}`);
    for (const expected of [
      "SBX406 out",
      "SBX408 fifo",
      "SBX408 socket",
      "SBX408 set-id",
      "SBX706 run.sh",
      "SBX706 gone.txt",
    ])
      t.true(found.includes(expected), `${expected}: ${found.join("; ")}`);
    t.is(found.filter((each) => each.startsWith("SBX409")).length, 3, found.join("; "));
    t.false(found.some((each) => each.startsWith("SBX706 SKILL.md") || each.endsWith(" within")));
    for (const rule of folderRules)
      t.true(
        found.some((each) => each.startsWith(rule)),
        rule,
      );
    t.like(report.skill.registry, { namespace: "acme", versionId: "7", verified: false });
    t.notThrows(() => scanReportSchema.parse(report));
  },
);

liveTest.serial(
  "a skill that is as it was published says so, and its author's typing errors are told",
  async (t) => {
    const box = scratch(t);
    box.file("work/SKILL.md", front);
    const installed = { registry: "r", namespace: "n", slug: "s", version: "1", versionId: "1" };
    const publish = (text: string): string => box.file("work/.skillhub/metadata.json", text);
    publish(JSON.stringify({ ...installed, files: { "SKILL.md": digest(front) } }));
    const report = await scanSkill({ directory: box.work });
    t.like(report.skill.registry, { verified: true });
    t.deepEqual(report.findings.items, []);
    publish("{");
    const broken = await scanSkill({ directory: box.work });
    t.like(broken.findings.items[0], { ruleId: "SBX706", severity: "HIGH" });
  },
);

liveTest.serial("ten thousand files are too many, which is told at once", async (t) => {
  const box = scratch(t);
  box.file("work/SKILL.md", front);
  for (let folder = 0; folder < 100; folder++) {
    mkdirSync(box.at(`work/${folder}`));
    for (let index = 0; index < 100; index++) writeFileSync(box.at(`work/${folder}/${index}`), "");
  }
  const begun = performance.now();
  await t.throwsAsync(scanSkill({ directory: box.work }), { message: /more than 5000 files/ });
  t.true(performance.now() - begun < 10_000);
});

function cliScan(box: Scratch) {
  const child = spawn(
    process.execPath,
    [cli, "scan", "--runtime", "--timeout", "60s", "--json", box.at("report.json"), box.work],
    { env: callerEnvironment(box, { TMPDIR: box.directory("tmp") }), stdio: ["ignore", "pipe", "pipe"] },
  );
  return { child, ended: once(child, "exit") };
}

liveTest.serial(
  "Ctrl-C ends a scan with what is known so far, as incomplete, and nothing is left",
  async (t) => {
    const box = scratch(t);
    box.file("work/SKILL.md", front);
    for (const name of ["a", "b", "c", "d"]) box.file(`work/${name}.sh`, "command sleep 50\n");
    const { child, ended } = cliScan(box);
    const temporary = (): string[] => readdirSync(box.at("tmp"));
    while (!temporary().some((name) => name.includes("-sinkhole-"))) await sleep(20);
    await sleep(300);
    const begun = performance.now();
    child.kill("SIGINT");
    t.deepEqual(await ended, [2, null]);
    t.true(performance.now() - begun < 10_000);
    t.deepEqual(temporary(), []);
    const report = scanReportSchema.parse(JSON.parse(readFileSync(box.at("report.json"), "utf8")));
    t.is(report.verdict, "incomplete");
    t.is(report.coverage.entryPoints, 4);
    t.true(report.coverage.entries.items.every(({ reason }) => reason === "cancelled"));
  },
);

liveTest.serial("a skill's program runs under what the skill asks for, within the ceiling", (t) => {
  const box = scratch(t);
  box.file("work/SKILL.md", `${front.slice(0, -4)}metadata:\n  security_policy: p.yaml\n---\n`);
  box.file(
    "work/p.yaml",
    "version: 1\nfilesystem:\n  read: [.]\n  overlay: [./out]\n  write: [/etc]\nnetwork:\n  egress:\n    - to: [api.example.com]\n",
  );
  box.directory("work/out");
  const ceiling = box.file(
    "ceiling.yaml",
    `version: 1\nfilesystem:\n  overlay: [./work]\nnetwork:\n  egress: []\n`,
  );
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [cli, ...words], {
      cwd: box.work,
      env: callerEnvironment(box),
      encoding: "utf8",
    });
  const script =
    "echo a > out/x && cat out/x; echo b > y; curl -sS -m 2 http://api.example.com/ 2>&1 | head -1";
  const { stdout, stderr, status } = run(
    "exec",
    "--skill",
    box.work,
    "--policy",
    ceiling,
    "--",
    "bash",
    "-c",
    script,
  );
  t.is(status, 0, stderr);
  t.regex(stdout, /^a\n/);
  t.regex(stderr, /y: Read-only file system/);
  t.deepEqual(readdirSync(box.at("work/out")), []);
  const explained = run("policy", "explain", "--skill", box.work, "--policy", ceiling);
  t.is(explained.status, 0, explained.stderr);
  t.regex(explained.stdout, /asked for and not given\n/);
  t.regex(explained.stdout, /filesystem\.write: \/etc \(.*p\.yaml:5:11\): nothing is given/);
  t.regex(explained.stdout, /network\.egress: api\.example\.com.*nothing is given/);
  const json: unknown = JSON.parse(
    run("policy", "explain", "--json", "--skill", box.work, "--policy", ceiling).stdout,
  );
  t.like(json, { refused: [{ subject: "filesystem.write", asked: "/etc" }, { subject: "network.egress" }] });
  const wrong = run("exec", "--skill", box.at("nowhere"), "--", "true");
  t.is(wrong.status, 125);
  t.regex(wrong.stderr, /is no skill/);
});
