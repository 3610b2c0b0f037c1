import { isAtLeast, type Finding } from "../report-findings.js";
import type { ScanReport } from "../scan-report.js";
import { plain, plainExcerpt, plainPlace } from "./plain.js";

/**
 * JUnit's XML: a suite of entry points, where one that could not be exercised is an error, and one of findings, where an open one at
 * or above `failOn` is a failure and an accepted one is skipped.
 */
export function renderJunit(report: ScanReport): string {
  const skill = plain(report.skill.name, 200);
  const suites = [entryPoints(report, skill), findings(report, skill)];
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="skillbox scan">\n${suites.join("")}</testsuites>\n`;
}

function entryPoints({ coverage, startedAt, durationMs, runs }: ScanReport, skill: string): string {
  const { items, cut } = coverage.entries;
  const cases = items.map(({ entry, phase, state, reason, detail, run }) => {
    const name = `${phase} ${plainPlace(entry)}${entry.name === undefined ? "" : ` ${plain(entry.name, 200)}`}`;
    const time = runs.items.find(({ id }) => id === run)?.durationMs ?? 0;
    const why = [reason ?? "unknown", detail === undefined ? "" : plain(detail)].join(" ").trim();
    const body = state === "exercised" ? "" : element("error", { type: "INCOMPLETE", message: why }, "");
    return element("testcase", { classname: `${skill}.entry points`, name, time: seconds(time) }, body);
  });
  if (cut > 0) {
    const body = element("error", { type: "INCOMPLETE", message: `${cut} entry points are not listed` }, "");
    cases.push(element("testcase", { classname: `${skill}.entry points`, name: "others", time: "0" }, body));
  }
  const errors = items.filter(({ state }) => state === "incomplete").length + (cut > 0 ? 1 : 0);
  const counts = { tests: String(cases.length), errors: String(errors), failures: "0", skipped: "0" };
  const attributes = {
    name: `${skill}: entry points`,
    ...counts,
    time: seconds(durationMs),
    timestamp: startedAt,
  };
  return element("testsuite", attributes, `\n${cases.join("")}`);
}

function findings({ findings: { items, cut }, failOn, startedAt }: ScanReport, skill: string): string {
  const fails = (one: Finding): boolean => one.status.state === "open" && isAtLeast(one.severity, failOn);
  const cases = items.map((finding) =>
    element(
      "testcase",
      {
        classname: `${skill}.${finding.ruleId}`,
        name: `${finding.severity} ${plain(finding.title)} ${finding.id}`,
        file: plainPlace(finding.place),
        time: "0",
      },
      outcome(finding, fails(finding)),
    ),
  );
  if (cut > 0) {
    const failure = element("failure", { type: "CUT", message: `${cut} findings are not listed` }, "");
    cases.push(element("testcase", { classname: `${skill}.findings`, name: "others", time: "0" }, failure));
  } else if (items.length === 0) {
    cases.push(element("testcase", { classname: `${skill}.findings`, name: "no findings", time: "0" }, ""));
  }
  const counts = {
    tests: String(cases.length),
    errors: "0",
    failures: String(items.filter(fails).length + (cut > 0 ? 1 : 0)),
    skipped: String(items.filter(({ status }) => status.state === "accepted").length),
  };
  const attributes = { name: `${skill}: findings`, ...counts, time: "0", timestamp: startedAt };
  return element("testsuite", attributes, `\n${cases.join("")}`);
}

function outcome(finding: Finding, fails: boolean): string {
  if (finding.status.state === "accepted") {
    const { reason, expires } = finding.status;
    return element("skipped", { message: `accepted until ${expires}: ${plain(reason)}` }, "");
  }
  const lines = [
    plain(finding.description, 1000),
    ...finding.evidence.items.map(({ what, excerpt }) =>
      excerpt === undefined ? plain(what) : `${plain(what)}: ${plainExcerpt(excerpt)}`,
    ),
    plain(finding.remediation, 1000),
  ];
  const text = escapeXml(lines.join("\n"));
  if (!fails) return element("system-out", {}, text);
  return element("failure", { type: finding.ruleId, message: plain(finding.title) }, text);
}

function element(name: string, attributes: Readonly<Record<string, string>>, content: string): string {
  const written = Object.entries(attributes).map(([key, value]) => ` ${key}="${escapeXml(value)}"`);
  return `<${name}${written.join("")}>${content}</${name}>\n`;
}

/** Of text without characters that XML 1.0 does not have: `plain` has spelled them out. */
function escapeXml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    "&": "amp",
    "<": "lt",
    ">": "gt",
    '"': "quot",
    "'": "apos",
  };
  return text.replaceAll(/[&<>"']/g, (character) => `&${names[character] ?? ""};`);
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}
