import path from "node:path";
import { isAtLeast, type Finding } from "../report-findings.js";
import { openFindings, type ScanReport } from "../scan-report.js";
import { plain, plainExcerpt } from "./plain.js";

/** GitHub shows ten errors, ten warnings and ten notices of a step. */
const mostOfAKind = 10;

/**
 * Workflow commands for GitHub's runner, one a line: `::error file=…,line=…,title=…::…`. Files are given relative to `root`, the
 * repository's directory.
 */
export function renderAnnotations(report: ScanReport, root: string): string {
  const byKind = new Map<string, string[]>();
  const directory = path.relative(root, path.resolve(root, report.skill.directory));
  for (const finding of openFindings(report.findings.items)) {
    const kind = kindOf(finding);
    byKind.set(kind, [...(byKind.get(kind) ?? []), annotation(kind, finding, directory)]);
  }
  if (report.verdict === "incomplete") {
    const { exercised, entryPoints } = report.coverage;
    byKind.set("warning", [
      `::warning title=skillbox scan::incomplete: exercised ${exercised} of ${entryPoints} entry points`,
      ...(byKind.get("warning") ?? []),
    ]);
  }
  const lines = [...byKind.values()].flatMap((kind) => kind.slice(0, mostOfAKind));
  return lines.map((line) => `${line}\n`).join("");
}

function annotation(kind: string, finding: Finding, directory: string): string {
  const [first] = finding.evidence.items;
  const evidence = first === undefined ? "" : `\n${plain(first.what)}`;
  const excerpt = first?.excerpt === undefined ? "" : `\n${plainExcerpt(first.excerpt)}`;
  const file = finding.place.file.startsWith("/") ? "SKILL.md" : finding.place.file;
  const properties = [
    `file=${property(path.posix.join(directory, plain(file, 4096)))}`,
    `line=${finding.place.line ?? 1}`,
    `title=${property(`${finding.ruleId} ${plain(finding.title)}`)}`,
  ];
  return `::${kind} ${properties.join(",")}::${data(plain(finding.description, 1000) + evidence + excerpt)}`;
}

function kindOf({ severity }: Finding): "error" | "warning" | "notice" {
  if (isAtLeast(severity, "HIGH")) return "error";
  return severity === "MEDIUM" ? "warning" : "notice";
}

/** As actions/toolkit's core/command.ts escapes. */
function data(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text: string): string {
  return data(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
