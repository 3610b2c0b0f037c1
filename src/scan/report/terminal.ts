import type { Style } from "../../audit/style.js";
import type { ObservedEvent } from "../report-observed.js";
import type { Finding } from "../report-findings.js";
import type { ScanReport } from "../scan-report.js";
import { coverageSentence, plain, plainExcerpt, plainPlace, tally } from "./plain.js";

/** The report on a screen: verdict, what was refused, findings, drift, coverage. `limit`: lines of a section. */
export function renderTerminal(report: ScanReport, style: Style, limit = 20): string {
  const { skill } = report;
  const version = skill.version === undefined ? "" : ` ${plain(skill.version, 40)}`;
  return [
    `${style.heading(plain(skill.name, 80) + version)}  ${style.quiet(plain(skill.directory))}`,
    `${verdictWord(report, style)}: ${tally(report)}; ${coverageSentence(report)}`,
    ...section(
      "Refused",
      report.observed.denials.items.map(refusal),
      report.observed.denials.cut,
      style,
      limit,
    ),
    ...section(
      "Findings",
      report.findings.items.map((finding) => renderFinding(finding, style)),
      report.findings.cut,
      style,
      limit,
    ),
    ...section(
      "Declared and observed",
      report.drift.items
        .filter(({ state }) => state !== "MATCH")
        .map(({ state, capability, subject }) => `${state}  ${capability}  ${plain(subject, 120)}`),
      report.drift.cut,
      style,
      limit,
    ),
    ...section("Not exercised", incomplete(report), report.coverage.entries.cut, style, limit),
    ...section(
      "Notices",
      report.notices.items.map((notice) => plain(notice)),
      report.notices.cut,
      style,
      limit,
    ),
    "",
  ].join("\n");
}

function verdictWord({ verdict, failOn }: ScanReport, style: Style): string {
  switch (verdict) {
    case "findings":
      return style.refused(`FINDINGS at or above ${failOn}`);
    case "incomplete":
      return style.expected("INCOMPLETE");
    case "clean":
      return style.heading("CLEAN");
  }
}

function section(
  title: string,
  entries: readonly string[],
  cut: number,
  style: Style,
  limit: number,
): string[] {
  if (entries.length + cut === 0) return [];
  const more = Math.max(0, entries.length - limit) + cut;
  return [
    "",
    style.heading(title),
    ...entries.slice(0, limit).map((entry) => `  ${entry.replaceAll("\n", "\n  ")}`),
    ...(more === 0 ? [] : [style.quiet(`  … ${more} more, see the JSON or HTML report`)]),
  ];
}

function refusal(event: ObservedEvent): string {
  const who = event.process === undefined ? "" : `  ${plain(event.process.exe, 80)}`;
  const times = event.repeated === undefined ? "" : `  ×${event.repeated + 1}`;
  return `${plain(event.what, 160)}${times}${who}  ${plain(event.run, 64)}#${event.seq}`;
}

function renderFinding(finding: Finding, style: Style): string {
  const severity = finding.severity.padEnd(8);
  const head = `${finding.severity === "CRITICAL" || finding.severity === "HIGH" ? style.refused(severity) : style.expected(severity)}  ${style.heading(plain(finding.title, 120))}  ${finding.ruleId}`;
  if (finding.status.state === "accepted")
    return `${head}\n  ${style.quiet(`accepted until ${finding.status.expires}: ${plain(finding.status.reason, 160)}`)}`;
  const [first] = finding.evidence.items;
  return [
    head,
    `  ${plainPlace(finding.place)}`,
    ...(first === undefined ? [] : [`  ${plain(first.what, 200)}`]),
    ...(first?.excerpt === undefined ? [] : [`  | ${plainExcerpt(first.excerpt, 200)}`]),
    `  ${style.quiet(plain(finding.remediation, 300))}`,
  ].join("\n");
}

/** "scripts/a.py (main): timed-out: 60s". */
export function incomplete({ coverage }: ScanReport): string[] {
  return coverage.entries.items
    .filter(({ state }) => state === "incomplete")
    .map(({ entry, phase, reason, detail }) => {
      const name = entry.name === undefined ? "" : ` ${plain(entry.name, 80)}`;
      const why = [reason, detail === undefined ? undefined : plain(detail, 200)].filter(Boolean).join(": ");
      return `${plainPlace(entry)}${name} (${phase}): ${why === "" ? "unknown" : why}`;
    });
}
