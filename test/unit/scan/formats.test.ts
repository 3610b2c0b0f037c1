import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import formats from "ajv-formats";
import test from "ava";
import { z } from "zod";
import { colourStyle, plainStyle } from "../../../src/audit/style.js";
import { renderAnnotations } from "../../../src/scan/report/annotations.js";
import { renderAuditLog } from "../../../src/scan/report/audit-log.js";
import { scanReportJsonSchema } from "../../../src/scan/report/json-schema.js";
import { renderJunit } from "../../../src/scan/report/junit.js";
import { renderMarkdown } from "../../../src/scan/report/markdown.js";
import { renderOcsf } from "../../../src/scan/report/ocsf.js";
import { renderSarif } from "../../../src/scan/report/sarif.js";
import { scannerReply } from "../../../src/scan/report/scanner-reply.js";
import { renderTerminal } from "../../../src/scan/report/terminal.js";
import { checkReportTargets, writeReports } from "../../../src/scan/report/write-reports.js";
import { boundedText } from "../../../src/scan/report-bounds.js";
import { findingIdentity } from "../../../src/scan/report-findings.js";
import { ruleList } from "../../../src/scan/rules.js";
import { verdictOf } from "../../../src/scan/scan-report.js";
import { cleanReport, hostileReport } from "./sample-report.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
/** What moves a terminal's cursor, forges a line, or turns the reading direction. */
const drives = /(?!\n)[\p{Cc}\p{Cs}\u200b\u202e]/u;

function parsed(text: string): unknown {
  return JSON.parse(text);
}

test("the shipped schema is that of the code, and takes a report", (t) => {
  const shipped = parsed(readFileSync(`${root}schema/scan-report.schema.json`, "utf8"));
  t.deepEqual(
    shipped,
    parsed(JSON.stringify(scanReportJsonSchema())),
    "run: npm run build:ts && node schema/generate.js",
  );
  const ajv = new Ajv({ strict: false });
  formats.default(ajv);
  const validate = ajv.compile(scanReportJsonSchema());
  t.true(validate(parsed(JSON.stringify(hostileReport()))), JSON.stringify(validate.errors));
  t.false(validate({ ...hostileReport(), v: 2 }));
});

test("rules have ids for good and severities that GitHub sorts alike", (t) => {
  const ranges: Readonly<Record<string, readonly [number, number]>> = {
    CRITICAL: [9, 10],
    HIGH: [7, 8.9],
    MEDIUM: [4, 6.9],
    LOW: [0.1, 3.9],
  };
  for (const [id, rule] of ruleList) {
    t.regex(id, /^SBX\d{3}$/);
    const [least, most] = ranges[rule.severity] ?? [0, 0];
    t.true(Number(rule.securitySeverity) >= least && Number(rule.securitySeverity) <= most, id);
  }
  t.is(new Set(ruleList.map(([, { name }]) => name)).size, ruleList.length);
});

test("a verdict is never better than what was exercised", (t) => {
  const report = hostileReport();
  t.is(verdictOf(report, "HIGH"), "findings");
  const accepted = report.findings.items.map((finding) => ({
    ...finding,
    status: { state: "accepted" as const, reason: "known", expires: "2027-01-01" },
  }));
  t.is(verdictOf({ ...report, findings: { items: accepted, cut: 0 } }, "HIGH"), "incomplete");
  t.is(verdictOf({ ...report, findings: { items: accepted, cut: 1 } }, "HIGH"), "findings");
  t.is(verdictOf(cleanReport(), "INFO"), "clean");
});

test("an identity depends on rule, file and subject alone; a cut leaves no half character", (t) => {
  t.deepEqual(findingIdentity("SBX101", "a.py", ["x"]), findingIdentity("SBX101", "a.py", ["x"]));
  t.not(findingIdentity("SBX101", "a.py", ["x", "y"]).id, findingIdentity("SBX101", "a.py", ["xy"]).id);
  t.is(boundedText("ab\u{1f600}cd", 4), "ab…");
  t.is(boundedText("abcd", 4), "abcd");
});

test("terminal: short, denials first, nothing drives it", (t) => {
  const shown = renderTerminal(hostileReport(), plainStyle);
  t.notRegex(shown, drives);
  t.false(shown.includes("##["));
  t.true(shown.indexOf("Refused") < shown.indexOf("Findings\n"));
  t.regex(shown, /FINDINGS at or above HIGH: 2 critical, 1 low; exercised 2 of 4 entry points/);
  t.regex(shown, /⟦AKIADECOY7Q2X9ZLM4TR⟧/);
  t.regex(shown, /accepted until 2027-01-31/);
  t.is(shown.split("\n").filter((line) => line.startsWith("::")).length, 0);
  t.true(renderTerminal(hostileReport(), colourStyle).includes("\u001b[1;31m"));
  t.regex(
    renderTerminal(cleanReport(), plainStyle),
    /CLEAN: no findings; nothing executed: the skill has no code/,
  );
});

test("SARIF 2.1.0 is valid, with places that are in the repository", (t) => {
  const { $schema, id, ...schema } = sarifSchema();
  t.truthy($schema);
  t.truthy(id);
  const ajv = new Ajv({ strict: false, unicodeRegExp: false });
  formats.default(ajv);
  const validate = ajv.compile(schema);
  const text = renderSarif(hostileReport(), "/repo");
  t.true(validate(parsed(text)), JSON.stringify(validate.errors));
  const broken: unknown = parsed(text.replace('"startLine": 12', '"startLine": 0'));
  t.false(validate(broken), "the schema must be able to say no");
  const { results, rules } = sarifParts(text);
  t.is(rules.length, ruleList.length);
  t.is(results.length, 4);
  t.regex(text, /"uri": "skills\/pdf-tools\/scripts\/main\.py"/);
  t.regex(text, /"security-severity": "9\.8"/);
  t.is(text.match(/"skillboxFinding\/v1"/g)?.length, 4);
  t.regex(text, /"suppressions"/);
  t.false(text.includes("[click](https"), "a link of the skill's");
  t.notRegex(text, drives);
});

function sarifSchema(): Record<string, unknown> {
  const text = readFileSync(`${root}test/fixtures/schemas/sarif-2.1.0-rtm.5.json`, "utf8");
  const schema: unknown = JSON.parse(text);
  return Object.fromEntries(Object.entries(schema ?? {}));
}

function sarifParts(text: string): { results: unknown[]; rules: unknown[] } {
  const run = z.object({
    results: z.array(z.unknown()),
    tool: z.object({ driver: z.object({ rules: z.array(z.unknown()) }) }),
  });
  const [first] = z.object({ runs: z.array(run) }).parse(parsed(text)).runs;
  return { results: first?.results ?? [], rules: first?.tool.driver.rules ?? [] };
}

test("JUnit is XML that a parser takes, with errors, failures and skips", (t) => {
  const junit = renderJunit(hostileReport());
  t.notRegex(junit, drives);
  const script =
    "import sys,xml.etree.ElementTree as E\n" +
    "r=E.fromstring(sys.stdin.buffer.read())\n" +
    "print(r.tag,*[len(r.findall('.//'+k)) for k in ('testsuite','testcase','error','failure','skipped')])\n" +
    "print(*[s.get(k) for s in r for k in ('tests','errors','failures','skipped')])";
  const read = execFileSync("python3", ["-c", script], { input: junit, encoding: "utf8" });
  t.is(read, "testsuites 2 8 2 2 1\n4 2 0 0 4 0 2 1\n");
});

test("Markdown: what the skill says stays text", (t) => {
  const markdown = renderMarkdown(hostileReport());
  t.notRegex(markdown, drives);
  for (const forged of ["<script", "<img", "[click]", "@maintainer", "https://", "**bold**", "<!--", "##["]) {
    t.false(markdown.includes(forged), forged);
  }
  for (const line of markdown
    .split("\n")
    .filter((one) => one.startsWith("| SBX") || one.startsWith("| CRIT"))) {
    t.is(line.split("|").length, 7, line);
  }
});

test("annotations: one command a line, escaped as the runner wants it", (t) => {
  const lines = renderAnnotations(hostileReport(), "/repo").trimEnd().split("\n");
  t.is(lines.length, 3);
  t.true(lines.every((line) => /^::(error|warning|notice) file=[^:]*,line=\d+,title=[^:]*::/.test(line)));
  t.true(lines[0]?.startsWith("::error file=skills/pdf-tools/scripts/main.py,line=12,title=SBX101 "));
  t.regex(lines[1] ?? "", /file=skills\/pdf-tools\/scripts\/[^,:]*%2Ca%3Ab 100%25\.py,/);
  t.false(lines.some((line) => line.includes("##[") || drives.test(line)));
});

test("OCSF: classes and types fit, refusals are told as such", (t) => {
  const lines = renderOcsf(hostileReport()).trimEnd().split("\n");
  const event = z.looseObject({
    class_uid: z.int(),
    category_uid: z.int(),
    activity_id: z.int(),
    type_uid: z.int(),
    action_id: z.int().optional(),
  });
  const events = lines.map((line) => event.parse(parsed(line)));
  for (const one of events) {
    t.is(one.type_uid, one.class_uid * 100 + one.activity_id);
    t.is(one.category_uid, Math.floor(one.class_uid / 1000));
  }
  t.deepEqual(
    [...new Set(events.map((one) => one.class_uid))].sort(),
    [1001, 1003, 1007, 2004, 4001, 4002, 4003],
  );
  t.is(events.filter((one) => one.action_id === 2).length, 4);
  t.notRegex(lines.join("\n"), drives);
});

test("the scanner's reply has what the service promises; incomplete is not safe", (t) => {
  const reply = scannerReply(hostileReport());
  t.is(reply.findings_count, 3);
  t.is(reply.max_severity, "CRITICAL");
  t.false(reply.is_safe);
  t.deepEqual(Object.keys(reply.findings[0] ?? {}).sort(), [
    "analyzer",
    "category",
    "description",
    "file_path",
    "id",
    "line_number",
    "metadata",
    "remediation",
    "rule_id",
    "severity",
    "snippet",
    "title",
  ]);
  const clean = scannerReply(cleanReport());
  t.true(clean.is_safe);
  t.is(clean.max_severity, "SAFE");
  t.false(scannerReply({ ...cleanReport(), verdict: "incomplete" }).is_safe);
});

test("audit_log rows: one a run, one a refusal, in the table's bounds", (t) => {
  const row = z.looseObject({
    action: z.string(),
    request_id: z.string(),
    target_id: z.string(),
    target_type: z.string(),
  });
  const lines = renderAuditLog(hostileReport()).trimEnd().split("\n");
  const rows = lines.map((line) => row.parse(parsed(line)));
  t.deepEqual(
    rows.map(({ action }) => action),
    [
      "SKILL_RUNTIME_SCAN",
      "SKILL_RUNTIME_SCAN",
      "SKILL_RUNTIME_FS_DENY",
      "SKILL_RUNTIME_NET_DENY",
      "SKILL_RUNTIME_SYSCALL_DENY",
      "SKILL_RUNTIME_LIMIT",
    ],
  );
  t.true(rows.every((one) => one.action.length <= 64 && one.request_id.length <= 64));
  t.true(rows.every((one) => one.target_id === "4711" && one.target_type === "SKILL_VERSION"));
});

test("writeReports writes each format to its file, and refuses what it cannot write before the scan", async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), "reports-"));
  const at = (name: string): string => path.join(directory, name);
  try {
    const targets = {
      json: at("a.json"),
      sarif: at("a.sarif"),
      html: at("a.html"),
      junit: at("a.xml"),
      markdown: at("a.md"),
      ocsf: at("a.ocsf"),
      annotations: at("a.annotations"),
      reply: at("a.reply"),
      auditLog: at("a.log"),
    };
    checkReportTargets(targets);
    await writeReports(hostileReport(), targets, process.stderr, "/repo");
    t.deepEqual(parsed(readFileSync(targets.json, "utf8")), parsed(JSON.stringify(hostileReport())));
    t.true(readFileSync(targets.html, "utf8").startsWith("<!doctype html>"));
    t.throws(() => checkReportTargets({ json: "-", sarif: "-" }), {
      message: /asked for twice: --json, --sarif/,
    });
    t.throws(() => checkReportTargets({ html: at("no/a.html") }), { message: /--html: .*cannot be written/ });
    t.throws(() => checkReportTargets({ html: directory }), { message: /it is a directory/ });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
