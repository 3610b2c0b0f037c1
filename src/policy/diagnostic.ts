import { SkillboxError } from "../errors.js";
import { displayText, displayWidth } from "./display.js";
import type { SourceText, Span } from "./source-text.js";

/** Where a problem is: a stretch of a file's text, or, for a policy given as an object, a path like `filesystem.read[0]`. */
export interface Place {
  readonly label: string;
  readonly span?: Span | undefined;
}

export interface Problem {
  readonly place: Place;
  /** One sentence, lower case, without a full stop; text of the policy in it already made fit for a terminal. */
  readonly message: string;
  /** Further lines below the quoted source. */
  readonly notes?: readonly string[] | undefined;
}

/** More errors than anyone reads at once; the rest is counted. */
const maxShown = 20;

/**
 * One ERR_POLICY error for all problems of a policy. Its message is the complete text to print, in the form of a
 * compiler and without a trailing newline:
 *
 *     p.yaml:6:14: error: unknown key `memroy`; did you mean `memory`?
 *      6 | resources: { memroy: 512MiB }
 *        |              ^~~~~~
 */
export function policyError(problems: readonly Problem[]): SkillboxError {
  const ordered = inReadingOrder(problems);
  const shown = ordered.slice(0, maxShown).map(renderProblem);
  const more = ordered.length - shown.length;
  if (more > 0) shown.push(`… and ${more} more ${more === 1 ? "error" : "errors"}`);
  return new SkillboxError("ERR_POLICY", shown.join("\n"));
}

/** Files stay in the order in which they were read (the extended one is read after the one that names it). */
function inReadingOrder(problems: readonly Problem[]): readonly Problem[] {
  const files = new Map<SourceText | undefined, Problem[]>();
  for (const problem of problems) {
    const file = problem.place.span?.source;
    const ofFile = files.get(file);
    if (ofFile === undefined) files.set(file, [problem]);
    else ofFile.push(problem);
  }
  return [...files.values()].flatMap((ofFile) =>
    ofFile.sort((a, b) => (a.place.span?.start ?? 0) - (b.place.span?.start ?? 0)),
  );
}

function renderProblem(problem: Problem): string {
  const { span } = problem.place;
  const notes = (problem.notes ?? []).map((note) => `  = note: ${note}`);
  const header = `${formatPlace(problem.place)}: error: ${problem.message}`;
  return [header, ...(span === undefined ? [] : quotedLine(span)), ...notes].join("\n");
}

/** "p.yaml:6:14", fit for a terminal. */
export function formatPlace({ label, span }: Place): string {
  if (span === undefined) return displayText(label);
  const { line, column } = span.source.position(span.start);
  return `${displayText(span.source.name)}:${line}:${column}`;
}

/** Characters of a long line that are shown before and after the start of the problem. */
const before = 60;
const after = 50;

/** The source line and, below it, the caret line. */
function quotedLine(span: Span): readonly string[] {
  const { line, column } = span.source.position(span.start);
  const text = span.source.line(line);
  const start = column - 1;
  const end = Math.max(start + 1, Math.min(start + (span.end - span.start), text.length));
  const from = start > before ? start - before : 0;
  const to = text.length > start + after ? start + after : text.length;
  const head = (from > 0 ? "…" : "") + text.slice(from, start);
  const shown = head + text.slice(start, to) + (to < text.length ? "…" : "");
  const underlined = Math.max(1, displayWidth(text.slice(start, Math.min(end, to))));
  const margin = " ".repeat(String(line).length);
  return [
    ` ${line} | ${displayText(shown)}`.trimEnd(),
    ` ${margin} | ${" ".repeat(displayWidth(head))}^${"~".repeat(underlined - 1)}`,
  ];
}
