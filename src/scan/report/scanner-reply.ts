import { severities, type Finding } from "../report-findings.js";
import { openFindings, type ScanReport } from "../scan-report.js";
import { plain, plainExcerpt } from "./plain.js";
import { incomplete } from "./terminal.js";

/** A finding as the scanner service's callers know it; one of another scanner's may have severities and categories of its own. */
export interface ReplyFinding {
  readonly id: string;
  readonly rule_id: string;
  readonly severity: string;
  readonly category: string;
  readonly title: string;
  readonly description: string;
  readonly file_path: string | null;
  readonly line_number: number | null;
  readonly snippet: string | null;
  readonly remediation: string | null;
  readonly analyzer: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface ScannerReply {
  readonly scan_id: string;
  readonly skill_name: string;
  /** No open finding is CRITICAL or HIGH, and everything could be exercised. */
  readonly is_safe: boolean;
  /** "SAFE" where there is no finding. */
  readonly max_severity: string;
  readonly findings_count: number;
  readonly scan_duration_seconds: number;
  readonly timestamp: string;
  readonly findings: readonly ReplyFinding[];
  readonly scan_metadata: Readonly<Record<string, unknown>>;
}

export const analyzerName = "skillbox-runtime";

/** What the scanner service answers. Findings that the operator has accepted are not in it. */
export function scannerReply(report: ScanReport): ScannerReply {
  const { coverage, skill } = report;
  return withFindings(
    {
      scan_id: report.scanId,
      skill_name: plain(skill.name, 200),
      is_safe: report.verdict !== "incomplete" && report.findings.cut === 0,
      scan_duration_seconds: report.durationMs / 1000,
      timestamp: report.startedAt,
      scan_metadata: {
        analyzers: [analyzerName],
        skillbox: report.skillbox,
        verdict: report.verdict,
        sha256: skill.sha256,
        coverage: {
          entry_points: coverage.entryPoints,
          exercised: coverage.exercised,
          incomplete: incomplete(report),
        },
        findings_cut: report.findings.cut,
      },
    },
    openFindings(report.findings.items).map(replyFinding),
  );
}

/** The reply with these findings; it is safe if it was and none of them says otherwise. */
export function withFindings(
  reply: Omit<ScannerReply, "findings" | "findings_count" | "max_severity">,
  findings: readonly ReplyFinding[],
): ScannerReply {
  const worst = severities.find((severity) => findings.some((finding) => finding.severity === severity));
  return {
    ...reply,
    is_safe: reply.is_safe && worst !== "CRITICAL" && worst !== "HIGH",
    max_severity: worst ?? "SAFE",
    findings_count: findings.length,
    findings,
  };
}

function replyFinding(finding: Finding): ReplyFinding {
  const [first] = finding.evidence.items;
  return {
    id: finding.id,
    rule_id: finding.ruleId,
    severity: finding.severity,
    category: finding.category,
    title: plain(finding.title, 500),
    description: plain(finding.description, 4000),
    file_path: plain(finding.place.file, 4096),
    line_number: finding.place.line ?? null,
    snippet: first?.excerpt === undefined ? null : plainExcerpt(first.excerpt, 1000),
    remediation: plain(finding.remediation, 4000),
    analyzer: analyzerName,
    metadata: {
      fingerprint: finding.fingerprint,
      evidence: finding.evidence.items.map(({ run, seq, what }) => ({ run, seq, what: plain(what) })),
    },
  };
}
