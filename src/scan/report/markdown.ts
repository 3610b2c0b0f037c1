import type { ScanReport } from "../scan-report.js";
import { coverageSentence, plain, plainExcerpt, plainPlace, tally } from "./plain.js";
import { incomplete } from "./terminal.js";

const most = 50;

/** A summary of a job in GitHub's Markdown. What the skill says is text in it, and nothing else: no link, mention or markup. */
export function renderMarkdown(report: ScanReport): string {
  const { skill, findings, drift, observed, notices } = report;
  const word = { findings: "❌ Findings", incomplete: "⚠️ Incomplete", clean: "✅ Clean" }[report.verdict];
  return [
    `## skillbox scan: ${code(skill.name)}`,
    `**${word}**: ${tally(report)}; ${coverageSentence(report)}.`,
    table(
      "Findings",
      ["severity", "rule", "what", "where", "evidence"],
      findings.items.map((finding) => {
        const [first] = finding.evidence.items;
        const shown = first?.excerpt === undefined ? undefined : code(plainExcerpt(first.excerpt, 160));
        const accepted =
          finding.status.state === "accepted" ? ` (accepted until ${finding.status.expires})` : "";
        return [
          finding.severity + accepted,
          finding.ruleId,
          literal(finding.title),
          code(plainPlace(finding.place)),
          [first === undefined ? "" : literal(first.what), shown].filter(Boolean).join("<br>"),
        ];
      }),
      findings.cut,
    ),
    table(
      "Refused",
      ["what", "process", "rule"],
      observed.denials.items.map((event) => [
        code(event.what),
        code(event.process?.exe ?? ""),
        code(event.rule ?? ""),
      ]),
      observed.denials.cut,
    ),
    table(
      "Declared and observed",
      ["", "capability", "subject"],
      drift.items
        .filter(({ state }) => state !== "MATCH")
        .map(({ state, capability, subject }) => [state, capability, code(subject)]),
      drift.cut,
    ),
    table(
      "Not exercised",
      ["entry point"],
      incomplete(report).map((line) => [literal(line)]),
      report.coverage.entries.cut,
    ),
    table(
      "Notices",
      ["notice"],
      notices.items.map((notice) => [literal(notice)]),
      notices.cut,
    ),
  ]
    .filter((part) => part !== "")
    .join("\n\n")
    .concat("\n");
}

function table(
  title: string,
  columns: readonly string[],
  rows: readonly (readonly string[])[],
  cut: number,
): string {
  if (rows.length + cut === 0) return "";
  const lines = [columns, columns.map(() => "---"), ...rows.slice(0, most)];
  const more = Math.max(0, rows.length - most) + cut;
  return [
    `### ${title}\n`,
    ...lines.map((row) => `| ${row.join(" | ")} |`),
    ...(more === 0 ? [] : [`\n${more} more are in the JSON and HTML reports.`]),
  ].join("\n");
}

/** Inside <code> GitHub makes no mentions and issue links. */
function code(text: string): string {
  return text === "" ? "" : `<code>${literal(text)}</code>`;
}

/** A character reference never stands for markup (CommonMark 0.31, 2.5): so is every mark but letters, digits and blanks written. */
function literal(text: string): string {
  return plain(text, 300).replaceAll(/[!-/:-@[-`{-~]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}
