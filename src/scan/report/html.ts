import { createHash } from "node:crypto";
import type { ObservedEvent } from "../report-observed.js";
import type { ScanReport } from "../scan-report.js";
import { excerptMarkup, findingMarkup } from "./html-findings.js";
import { markup, Markup, section, table } from "./html-markup.js";
import { processesMarkup } from "./html-processes.js";
import { style } from "./html-style.js";
import { timelineMarkup } from "./html-timeline.js";
import { coverageSentence, plainPlace, tally } from "./plain.js";
import { incomplete } from "./terminal.js";

/**
 * One page that needs nothing else: no script, and a security policy that lets nothing be loaded or run but its own style sheet, so
 * that a string of the skill's that should have got through as markup still leads nowhere.
 */
export function renderHtml(report: ScanReport): string {
  const digest = createHash("sha256").update(style).digest("base64");
  const policy = `default-src 'none'; style-src 'sha256-${digest}'; base-uri 'none'; form-action 'none'`;
  const page = markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Markup(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>skillbox scan: ${report.skill.name}</title>
<style>${new Markup(style)}</style>
</head>
<body>
${header(report)}${body(report)}
</body>
</html>
`;
  return page.source;
}

function header(report: ScanReport): Markup {
  const { skill, policy } = report;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["skill", [skill.name, skill.version].filter(Boolean).join(" ")],
    ["directory", skill.directory],
    ["digest", `sha256 ${skill.sha256}, ${skill.files.items.length + skill.files.cut} files`],
    ["published as", registryLine(report)],
    ["ceiling", sourceLine(policy.ceiling)],
    ["asked for", sourceLine(policy.declared)],
    ["coverage", coverageSentence(report)],
    [
      "scan",
      `${report.scanId}, ${report.startedAt}, ${Math.round(report.durationMs)} ms, skillbox ${report.skillbox}`,
    ],
  ];
  return markup`<h1>${skill.name} <small>skillbox scan</small></h1>
    <p>
      <span class="verdict ${report.verdict}">${report.verdict.toUpperCase()}</span> ${tally(report)} · fails
      on ${report.failOn}
    </p>
    <dl class="facts">
      ${facts
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => markup`<dt>${name}</dt><dd>${value}</dd>`)}
    </dl>
    <nav>
      ${["findings", "refused", "drift", "timeline", "processes", "files", "network", "runs", "policy"].map((id) => markup`<a href="#${id}">${id}</a> `)}
    </nav> `;
}

function registryLine({ skill: { registry } }: ScanReport): string | undefined {
  if (registry === undefined) return undefined;
  const { namespace, slug, version, verified } = registry;
  return `${registry.registry} ${namespace}/${slug} ${version}, files ${verified ? "as published" : "DIFFER from what was published"}`;
}

function sourceLine({ source, place, sha256 }: ScanReport["policy"]["declared"]): string {
  return [source, place === undefined ? undefined : plainPlace(place), sha256].filter(Boolean).join(" · ");
}

function body(report: ScanReport): readonly Markup[] {
  const { findings, drift, observed, runs, coverage, policy, notices } = report;
  const { names, connections, requests, bytesIn, bytesOut } = observed.network;
  const noFindings = markup`<p>
    ${report.verdict === "incomplete" ? "None in what could be exercised." : "None."}
  </p>`;
  const cut = findings.cut > 0 ? markup`<p class="cut">${findings.cut} more were cut.</p>` : markup``;
  const list = (items: readonly string[], more: number): Markup | undefined =>
    table(
      [""],
      items.map((item) => [item]),
      more,
    );
  const texts: readonly (readonly [string, string | undefined])[] = [
    ["Asked for", policy.declared.text],
    ["Given", policy.effective.text],
    ["Suggested", policy.suggested],
  ];
  return [
    section(
      "findings",
      "Findings",
      markup`${findings.items.length === 0 ? noFindings : findings.items.map(findingMarkup)}${cut}`,
    ),
    section("incomplete", "Not exercised", list(incomplete(report), coverage.entries.cut)),
    section("refused", "Refused", events(observed.denials.items, observed.denials.cut)),
    section(
      "drift",
      "Declared and observed",
      table(
        ["", "capability", "subject", "declared at"],
        drift.items.map(({ state, capability, subject, declaredAt }) => [
          state,
          capability,
          subject,
          declaredAt && plainPlace(declaredAt),
        ]),
        drift.cut,
      ),
    ),
    section("timeline", "Timeline", timelineMarkup(report)),
    section("processes", "Processes", processesMarkup(observed.processes.items, observed.processes.cut)),
    section(
      "files",
      "Files",
      table(
        ["path", "access", "times", "refused"],
        observed.files.items.map(({ path, access, count, denied, bait }) => [
          bait === true ? markup`<mark title="decoy">${path}</mark>` : path,
          access.join(" "),
          count,
          denied === 0 ? "" : markup`<span class="deny">${denied}</span>`,
        ]),
        observed.files.cut,
      ),
    ),
    section(
      "network",
      "Network",
      table(
        ["run", "to", "address", "times", "refused", "bytes out", "bytes in"],
        connections.items.map((one) => [
          one.run,
          `${one.name ?? ""}:${one.port}/${one.protocol}`,
          one.address,
          one.count,
          one.denied,
          one.bytesOut,
          one.bytesIn,
        ]),
        connections.cut,
      ),
      `${bytesOut} bytes out, ${bytesIn} in; nothing of it left this machine`,
    ),
    section(
      "names",
      "Names looked up",
      table(
        ["name", "queries", "times", "refused"],
        names.items.map(({ name, queries, count, denied }) => [name, queries.join(" "), count, denied]),
        names.cut,
      ),
    ),
    section(
      "requests",
      "Requests",
      table(
        ["run", "request", "bytes", "body"],
        requests.items.map((one) => [
          one.run,
          `${one.method} ${one.scheme}://${one.host}:${one.port}${one.target}`,
          one.bytesOut,
          excerptMarkup(one.body),
        ]),
        requests.cut,
      ),
    ),
    section(
      "runs",
      "Runs",
      table(
        ["id", "phase", "entry point", "command", "end", "ms", "record"],
        runs.items.map((run) => [
          run.id,
          run.phase,
          plainPlace(run.entry) + (run.entry.name === undefined ? "" : ` ${run.entry.name}`),
          run.argv.join(" "),
          [run.outcome, run.limit, run.exitCode, run.signal].filter((part) => part !== undefined).join(" "),
          Math.round(run.durationMs),
          run.record && `${run.record.file} (${run.record.sha256.slice(0, 12)}…)`,
        ]),
        runs.cut,
      ),
    ),
    section(
      "policy",
      "Policy",
      markup`${texts.map(([name, text]) =>
        text === undefined
          ? markup``
          : markup`<h3>${name}</h3>
              <pre>${text.split("\n").map((line) => markup`${line}\n`)}</pre>`,
      )}`,
    ),
    section("notices", "Notices", list(notices.items, notices.cut)),
  ];
}

function events(items: readonly ObservedEvent[], cut: number): Markup | undefined {
  return table(
    ["what", "times", "process", "by", "event"],
    items.map((event) => [
      markup`<span class="deny">${event.what}</span>`,
      (event.repeated ?? 0) + 1,
      event.process && `${event.process.exe} [${event.process.pid}]`,
      [event.rule, event.errno].filter(Boolean).join(" "),
      `${event.run}#${event.seq}`,
    ]),
    cut,
  );
}
