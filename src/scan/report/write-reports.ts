import { accessSync, constants, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { SkillboxError } from "../../errors.js";
import type { ScanReport } from "../scan-report.js";
import { renderAnnotations } from "./annotations.js";
import { renderAuditLog } from "./audit-log.js";
import { renderHtml } from "./html.js";
import { renderJunit } from "./junit.js";
import { renderMarkdown } from "./markdown.js";
import { renderOcsf } from "./ocsf.js";
import { renderSarif } from "./sarif.js";
import { scannerReply } from "./scanner-reply.js";

/** Each is a file, or `-` for stdout; one of them at most. */
export interface ReportTargets {
  readonly json?: string | undefined;
  readonly sarif?: string | undefined;
  readonly html?: string | undefined;
  readonly junit?: string | undefined;
  readonly markdown?: string | undefined;
  readonly ocsf?: string | undefined;
  /** Workflow commands for GitHub's runner, which reads them from stdout. */
  readonly annotations?: string | undefined;
  /** The scanner service's reply. */
  readonly reply?: string | undefined;
  /** The registry's audit_log rows, as JSON Lines. */
  readonly auditLog?: string | undefined;
}

type Format = keyof ReportTargets;

const renderers: Readonly<Record<Format, (report: ScanReport, root: string) => string>> = {
  json: (report) => `${JSON.stringify(report, undefined, 2)}\n`,
  sarif: renderSarif,
  html: renderHtml,
  junit: renderJunit,
  markdown: renderMarkdown,
  ocsf: renderOcsf,
  reply: (report) => `${JSON.stringify(scannerReply(report), undefined, 2)}\n`,
  auditLog: renderAuditLog,
  annotations: renderAnnotations,
};

/** To be asked before a scan: throws ERR_USAGE for a file that could not be written, and for a second `-`. */
export function checkReportTargets(targets: ReportTargets): void {
  const named = entriesOf(targets);
  const toStdout = named.filter(([, file]) => file === "-").map(([format]) => flagOf(format));
  if (toStdout.length > 1) {
    throw new SkillboxError("ERR_USAGE", `stdout is asked for twice: ${toStdout.join(", ")}`, {
      hint: "give all but one of them a file",
    });
  }
  for (const [format, file] of named) {
    if (file === "-") continue;
    try {
      const existing = statSync(file, { throwIfNoEntry: false });
      if (existing?.isDirectory() === true) throw new Error("it is a directory");
      accessSync(existing === undefined ? path.dirname(path.resolve(file)) : file, constants.W_OK);
    } catch (cause) {
      throw unwritable(format, file, cause);
    }
  }
}

/** Writes the report in every format that has a target; `-` is `out`, the caller's stdout. `root`: the repository's directory, for locations; GITHUB_WORKSPACE or the current one. */
export async function writeReports(
  report: ScanReport,
  targets: ReportTargets,
  out: NodeJS.WritableStream,
  root = process.env["GITHUB_WORKSPACE"] ?? process.cwd(),
): Promise<void> {
  for (const [format, file] of entriesOf(targets)) {
    const content = renderers[format](report, root);
    if (file === "-") await written(content, out);
    else {
      try {
        await writeFile(file, content);
      } catch (cause) {
        throw unwritable(format, file, cause);
      }
    }
  }
}

/** The process may end right after it: all of it has to be with the reader. */
async function written(content: string, out: NodeJS.WritableStream): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    out.write(content, (error) => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    });
  });
}

function entriesOf(targets: ReportTargets): (readonly [Format, string])[] {
  const formats: readonly Format[] = [
    "json",
    "sarif",
    "html",
    "junit",
    "markdown",
    "ocsf",
    "reply",
    "auditLog",
    "annotations",
  ];
  return formats.flatMap((format) => {
    const file = targets[format];
    return file === undefined ? [] : [[format, file] as const];
  });
}

function flagOf(format: Format): string {
  return `--${format === "auditLog" ? "audit-log" : format}`;
}

function unwritable(format: Format, file: string, cause: unknown): SkillboxError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SkillboxError("ERR_USAGE", `${flagOf(format)}: ${file} cannot be written: ${why}`, {
    hint: "name a file in a directory that exists and is writable",
    cause,
  });
}
