import { writeFileSync } from "node:fs";
import { styleFor } from "../audit/style.js";
import { SkillboxError } from "../errors.js";
import { loadPolicyFile } from "../policy/load.js";
import { parseTime } from "../policy/units.js";
import { readBaseline } from "../scan/baseline.js";
import { severities, type Severity } from "../scan/report-findings.js";
import { renderTerminal } from "../scan/report/terminal.js";
import { checkReportTargets, type ReportTargets, writeReports } from "../scan/report/write-reports.js";
import type { ScanReport } from "../scan/scan-report.js";
import { scanSkill } from "../scan/scan.js";
import { printError, printLine } from "./print-error.js";

export interface ScanCommandOptions extends ReportTargets {
  readonly runtime: boolean;
  readonly policy?: string;
  readonly baseline?: string;
  readonly failOn: string;
  readonly allowIncomplete: boolean;
  readonly timeout?: string;
  readonly suggestPolicy?: string;
  readonly keepRecords?: string;
}

/** 0: clean. 1: findings at or above --fail-on. 2: usage, host, or something could not be exercised. */
const status = { clean: 0, findings: 1, failed: 2 } as const;

/** Scans a skill and shows what it did. Ctrl-C ends it with what is known so far. */
export async function scan(
  directory: string,
  options: ScanCommandOptions,
  out: NodeJS.WriteStream,
): Promise<number> {
  const abort = new AbortController();
  const interrupt = (): void => {
    abort.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    if (!options.runtime)
      throw new SkillboxError("ERR_USAGE", "only runtime scans are there", {
        hint: "skillbox scan --runtime DIR",
      });
    checkReportTargets(options);
    const report = await scanSkill({
      directory,
      ceiling: options.policy === undefined ? undefined : loadPolicyFile(options.policy).policy,
      baseline: options.baseline === undefined ? undefined : readBaseline(options.baseline),
      failOn: severityOf(options.failOn),
      timeoutMs: timeoutOf(options.timeout),
      keepRecords: options.keepRecords,
      signal: abort.signal,
      onProgress: process.stderr.isTTY ? showProgress : undefined,
    });
    await show(report, options, out);
    return statusOf(report, options);
  } catch (error) {
    if (!(error instanceof SkillboxError)) throw error;
    printError(error);
    return status.failed;
  } finally {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
}

async function show(report: ScanReport, options: ScanCommandOptions, out: NodeJS.WriteStream): Promise<void> {
  if (options.suggestPolicy !== undefined)
    writeFileSync(options.suggestPolicy, report.policy.suggested ?? "");
  await writeReports(report, options, out);
  const usesStdout = Object.values(options).includes("-");
  const text = renderTerminal(report, styleFor(out));
  if (usesStdout) printLine(text);
  else out.write(text.endsWith("\n") ? text : `${text}\n`);
}

function statusOf({ verdict }: ScanReport, { allowIncomplete }: ScanCommandOptions): number {
  if (verdict === "findings") return status.findings;
  return verdict === "incomplete" && !allowIncomplete ? status.failed : status.clean;
}

function severityOf(written: string): Severity {
  const severity = severities.find((each) => each === written.toUpperCase());
  if (severity !== undefined) return severity;
  throw new SkillboxError("ERR_USAGE", `--fail-on: ${JSON.stringify(written)} is no severity`, {
    hint: `one of ${severities.join(", ").toLowerCase()}`,
  });
}

function timeoutOf(written: string | undefined): number | undefined {
  if (written === undefined) return undefined;
  const parsed = parseTime(written);
  if ("problem" in parsed) throw new SkillboxError("ERR_USAGE", `--timeout: ${parsed.problem}`);
  return parsed.value;
}

/** One line that is written over. */
function showProgress(done: number, of: number, what: string): void {
  const shown = what.replace(/[^\x20-\x7e]/g, "?").slice(0, 60);
  process.stderr.write(`\r\x1b[K${done} of ${of} ${shown}${done === of ? "\r\x1b[K" : ""}`);
}
