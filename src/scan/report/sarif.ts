import path from "node:path";
import { pathToFileURL } from "node:url";
import type { Finding, Severity } from "../report-findings.js";
import { ruleList } from "../rules.js";
import type { ScanReport } from "../scan-report.js";
import { plain, plainExcerpt } from "./plain.js";
import { incomplete } from "./terminal.js";

/**
 * SARIF 2.1.0 as GitHub's code scanning takes it. Locations are relative to `root`, the repository's directory, where the skill lies
 * in it.
 */
export function renderSarif(report: ScanReport, root: string): string {
  return `${JSON.stringify(sarifLog(report, root), undefined, 2)}\n`;
}

function sarifLog(report: ScanReport, root: string): Record<string, unknown> {
  const prefix = prefixOf(report, root);
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "skillbox",
            semanticVersion: report.skillbox,
            informationUri: "https://www.npmjs.com/package/skillbox",
            rules: ruleList.map(([id, rule]) => ({
              id,
              name: rule.name,
              shortDescription: { text: rule.title },
              fullDescription: { text: rule.description },
              help: { text: rule.remediation },
              defaultConfiguration: { level: levelOf(rule.severity) },
              properties: {
                "security-severity": rule.securitySeverity,
                tags: [
                  "security",
                  rule.category,
                  ...rule.skillSpector.map((their) => `skillspector/${their}`),
                ],
              },
            })),
          },
        },
        automationDetails: { id: `skillbox/${encodeURIComponent(wellFormed(report.skill.name))}/` },
        invocations: [
          {
            executionSuccessful: report.verdict !== "incomplete",
            startTimeUtc: report.startedAt,
            toolExecutionNotifications: incomplete(report).map((reason) => ({
              level: "warning",
              message: { text: message(`not exercised: ${reason}`) },
            })),
          },
        ],
        columnKind: "utf16CodeUnits",
        results: report.findings.items.map((finding) => result(finding, prefix)),
        properties: { verdict: report.verdict, skill: report.skill.sha256, findingsCut: report.findings.cut },
      },
    ],
  };
}

function result(finding: Finding, prefix: string): Record<string, unknown> {
  const evidence = finding.evidence.items.slice(0, 4).map(({ what, excerpt }) => {
    const shown = excerpt === undefined ? "" : `: ${plainExcerpt(excerpt, 300)}`;
    return `\n- ${plain(what, 300)}${shown}`;
  });
  const { place, status } = finding;
  const index = ruleList.findIndex(([id]) => id === finding.ruleId);
  return {
    ruleId: finding.ruleId,
    ...(index === -1 ? {} : { ruleIndex: index }),
    level: levelOf(finding.severity),
    message: {
      text: message(`${plain(finding.title)}. ${plain(finding.description, 1000)}${evidence.join("")}`),
    },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: uriOf(place.file, prefix) },
          region: { startLine: place.line ?? 1 },
        },
      },
    ],
    partialFingerprints: { "skillboxFinding/v1": finding.fingerprint },
    ...(status.state === "accepted"
      ? {
          suppressions: [
            {
              kind: "external",
              status: "accepted",
              justification: `${plain(status.reason)} (until ${status.expires})`,
            },
          ],
        }
      : {}),
    properties: { id: finding.id, severity: finding.severity, category: finding.category },
  };
}

/** A message's text may hold links, `[text](uri)` (3.11.6): what the skill says must not become one. */
function message(text: string): string {
  return text.replaceAll(/[\\[\]]/g, String.raw`\$&`);
}

function levelOf(severity: Severity): "error" | "warning" | "note" {
  if (severity === "CRITICAL" || severity === "HIGH") return "error";
  return severity === "MEDIUM" ? "warning" : "note";
}

function prefixOf({ skill }: ScanReport, root: string): string {
  const relative = path.relative(root, path.resolve(root, skill.directory));
  return relative === ".." || relative.startsWith("../") || path.isAbsolute(relative) ? "" : relative;
}

/** What lies outside the skill has no place in the repository: SKILL.md stands for it. */
function uriOf(file: string, prefix: string): string {
  const inside = file.startsWith("/") || file.split("/").includes("..") ? "SKILL.md" : file;
  return pathToFileURL(`/${path.posix.join(prefix, wellFormed(inside))}`).pathname.slice(1);
}

/** Half a surrogate pair cannot stand in a URI. */
function wellFormed(text: string): string {
  return text.replaceAll(/\p{Cs}/gu, "\ufffd");
}
