import type { ObservedEvent } from "../report-observed.js";
import type { ScanReport, ScanRun } from "../scan-report.js";
import { plain } from "./plain.js";

/** A row of the registry's table audit_log. Who asked for the scan is the registry's to fill in. */
interface AuditLogRow {
  readonly actor_user_id: null;
  readonly action: string;
  readonly target_type: "SKILL_VERSION";
  /** The version's id in the registry; null for a skill that was not installed from one. */
  readonly target_id: string | null;
  readonly request_id: string;
  readonly client_ip: null;
  readonly user_agent: string;
  readonly detail_json: Readonly<Record<string, unknown>>;
  readonly created_at: string;
}

/** Rows for the registry's audit_log, as JSON Lines: one a run, and one a refusal. The whole record stays in its file, named by its digest. */
export function renderAuditLog(report: ScanReport): string {
  const rows: readonly AuditLogRow[] = [
    ...report.runs.items.map((run) => runRow(run, report)),
    ...report.observed.denials.items.map((event) => refusalRow(event, report)),
  ];
  return rows.map((one) => `${JSON.stringify(one)}\n`).join("");
}

function runRow(run: ScanRun, report: ScanReport): AuditLogRow {
  return row(report, "SKILL_RUNTIME_SCAN", run.id, run.startedAt, {
    scan: report.scanId,
    skill: plain(report.skill.name),
    sha256: report.skill.sha256,
    verdict: report.verdict,
    phase: run.phase,
    entry: plain(run.entry.file, 4096),
    outcome: run.outcome,
    exitCode: run.exitCode,
    durationMs: Math.round(run.durationMs),
    record: run.record?.sha256,
    findings: report.findings.items
      .filter(({ evidence }) => evidence.items.some((piece) => piece.run === run.id))
      .map(({ id }) => id),
  });
}

function refusalRow(event: ObservedEvent, report: ScanReport): AuditLogRow {
  return row(report, actionOf(event), event.run, event.time, {
    seq: event.seq,
    type: event.type,
    what: plain(event.what),
    rule: event.rule === undefined ? undefined : plain(event.rule),
    errno: event.errno,
    times: (event.repeated ?? 0) + 1,
    exe: event.process === undefined ? undefined : plain(event.process.exe),
  });
}

function actionOf({ type }: ObservedEvent): string {
  if (type === "resource.limit") return "SKILL_RUNTIME_LIMIT";
  if (type.startsWith("net.") && type !== "net.socket") return "SKILL_RUNTIME_NET_DENY";
  return type.startsWith("file.") || type === "process.exec"
    ? "SKILL_RUNTIME_FS_DENY"
    : "SKILL_RUNTIME_SYSCALL_DENY";
}

function row(
  report: ScanReport,
  action: string,
  requestId: string,
  createdAt: string,
  detail: AuditLogRow["detail_json"],
): AuditLogRow {
  return {
    actor_user_id: null,
    action,
    target_type: "SKILL_VERSION",
    target_id: report.skill.registry?.versionId ?? null,
    request_id: requestId,
    client_ip: null,
    user_agent: `skillbox/${report.skillbox}`,
    detail_json: detail,
    created_at: createdAt,
  };
}
