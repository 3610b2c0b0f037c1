import path from "node:path";
import { isAtLeast, type Finding, type Severity } from "../report-findings.js";
import type { ObservedEvent } from "../report-observed.js";
import type { ScanReport } from "../scan-report.js";
import { activityOf } from "./ocsf-activity.js";
import { plain, plainExcerpt } from "./plain.js";

/**
 * OCSF 1.8 as JSON Lines: a detection finding (2004) for each finding, then what the runs did, as far as the report has it, in classes
 * of their own (schema.ocsf.io). Times are milliseconds since 1970.
 */
export function renderOcsf(report: ScanReport): string {
  const { timeline, denials } = report.observed;
  // A refusal stands in both lists, unless the timeline was cut before it.
  const seen = new Set(timeline.items.map(({ run, seq }) => `${run}#${seq}`));
  const events = [...timeline.items, ...denials.items.filter(({ run, seq }) => !seen.has(`${run}#${seq}`))];
  return [
    ...report.findings.items.map((finding) => detection(finding, report)),
    ...events.map((event) => activity(event, report)).filter((event) => event !== undefined),
  ]
    .map((event) => `${JSON.stringify(event)}\n`)
    .join("");
}

type OcsfEvent = Readonly<Record<string, unknown>>;

const severityIds: Readonly<Record<Severity, number>> = { INFO: 1, LOW: 2, MEDIUM: 3, HIGH: 4, CRITICAL: 5 };

function detection(finding: Finding, report: ScanReport): OcsfEvent {
  const isOpen = finding.status.state === "open";
  const time = Date.parse(report.startedAt);
  return {
    ...base(2004, 1, severityIds[finding.severity], time, report, finding.id),
    message: plain(finding.title),
    status_id: isOpen ? 1 : 3, // New, Suppressed
    is_alert: isOpen && isAtLeast(finding.severity, "HIGH"),
    finding_info: {
      uid: finding.fingerprint,
      title: plain(finding.title),
      desc: plain(finding.description, 2000),
      types: [finding.category],
      created_time: time,
      analytic: { type_id: 1, type: "Rule", uid: finding.ruleId, name: plain(finding.title) },
    },
    remediation: { desc: plain(finding.remediation, 2000) },
    resources: [{ type: "skill", name: plain(report.skill.name), uid: report.skill.sha256 }],
    evidences: finding.evidence.items.map(({ run, seq, what, excerpt, chain, place }) => ({
      uid: seq === undefined ? run : `${run}#${seq}`,
      ...(chain[0] === undefined ? {} : { process: process(chain[0]) }),
      ...(place === undefined ? {} : { file: file(place.file) }),
      data: {
        what: plain(what),
        ...(excerpt === undefined ? {} : { excerpt: plainExcerpt(excerpt, 2000) }),
        ...(place?.line === undefined ? {} : { line: place.line }),
      },
    })),
  };
}

function activity(event: ObservedEvent, report: ScanReport): OcsfEvent | undefined {
  const found = activityOf(event);
  if (found === undefined) return undefined;
  const isRefused = event.verdict === "deny" || event.verdict === "expected-deny";
  return {
    ...base(
      found.classUid,
      found.activityId,
      isRefused ? 3 : 1,
      Date.parse(event.time),
      report,
      `${event.run}#${event.seq}`,
    ),
    ...(found.activityName === undefined ? {} : { activity_name: found.activityName }),
    ...(event.repeated === undefined ? {} : { count: event.repeated + 1 }),
    message: plain(event.what),
    action_id: isRefused ? 2 : 1,
    disposition_id: isRefused ? 2 : 1,
    status_id: isRefused ? 2 : 1,
    ...(event.errno === undefined ? {} : { status_code: event.errno }),
    ...(event.process === undefined ? {} : { actor: { process: process(event.process) } }),
    device: { type_id: 99, type: "sandbox", uid: event.run },
    ...subject(event, found.classUid),
    unmapped: {
      type: event.type,
      rule: event.rule === undefined ? undefined : plain(event.rule),
      syscall: event.syscall,
    },
  };
}

function subject(event: ObservedEvent, classUid: number): OcsfEvent {
  const endpoint = { hostname: shown(event.name), ip: shown(event.address), port: event.port };
  switch (classUid) {
    case 1001:
      return { file: file(event.path ?? "") };
    case 1003:
      return { kernel: { name: shown(event.syscall) ?? event.type, type_id: 2 } };
    case 1007:
      return {
        process: process({
          pid: event.process?.pid ?? 0,
          exe: event.path ?? event.process?.exe ?? "",
          argv: event.argv,
        }),
        ...(event.exitCode === undefined ? {} : { exit_code: event.exitCode }),
      };
    case 4002:
      return {
        dst_endpoint: endpoint,
        http_request: {
          http_method: shown(event.method),
          url: { hostname: shown(event.name), path: shown(event.target), port: event.port },
        },
      };
    case 4003:
      return { query: { hostname: shown(event.name) ?? "", type: event.query }, rcode: event.response };
    default:
      return {
        dst_endpoint: endpoint,
        connection_info: { direction_id: 2, protocol_name: event.protocol ?? "tcp" },
        traffic: { bytes_in: event.bytesIn, bytes_out: event.bytesOut },
      };
  }
}

function base(
  classUid: number,
  activityId: number,
  severityId: number,
  time: number,
  report: ScanReport,
  uid: string,
): OcsfEvent {
  return {
    category_uid: Math.floor(classUid / 1000),
    class_uid: classUid,
    activity_id: activityId,
    type_uid: classUid * 100 + activityId,
    severity_id: severityId,
    time,
    metadata: {
      version: "1.8.0",
      uid,
      correlation_uid: report.scanId,
      product: { name: "skillbox", vendor_name: "skillbox", version: report.skillbox },
      ...(classUid === 2004 ? {} : { profiles: ["security_control"] }),
    },
  };
}

function process(of: {
  readonly pid: number;
  readonly exe: string;
  readonly argv?: readonly string[] | undefined;
}): OcsfEvent {
  return {
    pid: of.pid,
    name: plain(path.posix.basename(of.exe)),
    file: file(of.exe),
    ...(of.argv === undefined ? {} : { cmd_line: plain(of.argv.join(" "), 2000) }),
  };
}

function file(name: string): OcsfEvent {
  return { name: plain(path.posix.basename(name)), path: plain(name, 4096), type_id: 1 };
}

function shown(text: string | undefined): string | undefined {
  return text === undefined ? undefined : plain(text, 4096);
}
