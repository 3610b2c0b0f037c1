import { shownPlain } from "../../audit/shown.js";
import type { ScanReport } from "../scan-report.js";
import { openFindings } from "../scan-report.js";
import { severities, type Excerpt, type Severity } from "../report-findings.js";

/** Text as people read it, on one line; the skill's own strings, with nothing in them that drives a terminal. */

/** `##[command]` is a command to GitHub's runner wherever it stands in a line of output. */
export function plain(text: string, limit = 400): string {
  return shownPlain(text, limit).replaceAll("##[", String.raw`##\x5b`);
}

/** scripts/main.py:12 */
export function plainPlace(place: { readonly file: string; readonly line?: number | undefined }): string {
  return plain(place.file) + (place.line === undefined ? "" : `:${place.line}`);
}

/** An excerpt with its decoys between ⟦ and ⟧. */
export function plainExcerpt({ text, marks, cut }: Excerpt, limit = 400): string {
  let shown = "";
  for (const piece of pieces(text, marks))
    shown += piece.bait === undefined ? shownPlain(piece.text, limit) : `⟦${shownPlain(piece.text, limit)}⟧`;
  const whole = shown.length > limit ? `${shown.slice(0, limit)}…` : shown;
  return whole.replaceAll("##[", String.raw`##\x5b`) + (cut > 0 ? ` (${cut} bytes more)` : "");
}

/** The text cut at its marks, in order; overlapping marks count once. */
export function pieces(
  text: string,
  marks: Excerpt["marks"],
): { readonly text: string; readonly bait?: Excerpt["marks"][number] }[] {
  const found: { text: string; bait?: Excerpt["marks"][number] }[] = [];
  let at = 0;
  for (const mark of [...marks].sort((one, other) => one.start - other.start)) {
    const start = Math.max(at, mark.start);
    if (mark.end <= start || start >= text.length) continue;
    if (start > at) found.push({ text: text.slice(at, start) });
    found.push({ text: text.slice(start, mark.end), bait: mark });
    at = Math.min(mark.end, text.length);
  }
  if (at < text.length) found.push({ text: text.slice(at) });
  return found;
}

/** "2 critical, 1 low"; "no findings". Accepted ones do not count. */
export function tally(report: ScanReport): string {
  const open = openFindings(report.findings.items);
  const counts = severities
    .map((severity): [Severity, number] => [severity, open.filter((one) => one.severity === severity).length])
    .filter(([, number]) => number > 0)
    .map(([severity, number]) => `${number} ${severity.toLowerCase()}`);
  if (report.findings.cut > 0) counts.push(`${report.findings.cut} not listed`);
  return counts.length === 0 ? "no findings" : counts.join(", ");
}

/** "exercised 3 of 4 entry points"; "nothing executed: the skill has no code". */
export function coverageSentence({ coverage }: ScanReport): string {
  if (coverage.entryPoints === 0) return "nothing executed: the skill has no code";
  return `exercised ${coverage.exercised} of ${coverage.entryPoints} entry points`;
}
