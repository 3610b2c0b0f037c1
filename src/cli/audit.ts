import { open, type FileHandle } from "node:fs/promises";
import { eventFilter } from "../audit/filter.js";
import { Integrity } from "../audit/integrity.js";
import { Output } from "../audit/output.js";
import { readEvent, type RecordedEvent } from "../audit/read-event.js";
import { recordLines, type RecordLine } from "../audit/record-lines.js";
import { renderProblem } from "../audit/render-header.js";
import { styleFor } from "../audit/style.js";
import { JsonView, LiveView, SummaryView, type View } from "../audit/views.js";
import { SkillboxError } from "../errors.js";
import { printLine } from "./print-error.js";

/** The options of `skillbox audit`, as commander hands them over. */
export interface AuditOptions {
  /** Types, or beginnings of types such as "net."; any of them. */
  readonly type?: readonly string[] | undefined;
  readonly pid?: string | undefined;
  readonly denied?: boolean | undefined;
  readonly path?: string | undefined;
  /** The events themselves, as JSON Lines. */
  readonly json?: boolean | undefined;
  /** Goes on until run.end. */
  readonly follow?: boolean | undefined;
  /** Lines of a section; 50. */
  readonly limit?: string | undefined;
  /** Ends following. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Shows a record. Returns 0 if it is whole, 1 if something is wrong with it or its end is missing; throws ERR_USAGE for what cannot be
 * read or is no record. Nothing of the record reaches the terminal as it is.
 */
export async function audit(
  file: string,
  options: AuditOptions,
  out: NodeJS.WritableStream,
): Promise<number> {
  const isAskedFor = eventFilter({
    types: options.type,
    pid: wholeNumber("--pid", options.pid, 0),
    denied: options.denied,
    path: options.path,
  });
  const limit = wholeNumber("--limit", options.limit, 1) ?? 50;
  const handle = await openRecord(file);
  const output = new Output(out);
  try {
    const view = viewFor(file, options, limit, out);
    return await show({ file, handle, view, isAskedFor, output, options });
  } finally {
    output.release();
    await handle.close();
  }
}

interface Showing {
  readonly file: string;
  readonly handle: FileHandle;
  readonly view: View;
  readonly isAskedFor: (event: RecordedEvent) => boolean;
  readonly output: Output;
  readonly options: AuditOptions;
}

async function show({ file, handle, view, isAskedFor, output, options }: Showing): Promise<number> {
  const integrity = new Integrity();
  const isDone = (): boolean =>
    output.closed ||
    (options.follow === true && integrity.hasEnded) ||
    (integrity.events === 0 && integrity.problemCount >= mostProblemsBeforeFirstEvent);
  for await (const lines of readable(file, recordLines(handle, options))) {
    for (const line of lines) {
      const event = readLine(line, integrity);
      if (event !== undefined) await output.write(view.event(event, line, isAskedFor(event)));
      if (isDone()) break;
    }
    if (isDone()) break;
  }
  if (integrity.events === 0 && integrity.problemCount > 0) throw notARecord(file, integrity);
  if (!output.closed) {
    integrity.close();
    await output.write(view.end(integrity));
    // Beside the events, which stdout has for other programs.
    if (options.json === true) {
      for (const problem of integrity.problems) printLine(`skillbox: ${renderProblem(file, problem)}`);
    }
  }
  return integrity.problemCount === 0 && integrity.dropped === 0 ? 0 : 1;
}

function viewFor(file: string, options: AuditOptions, limit: number, out: NodeJS.WritableStream): View {
  if (options.json === true) return new JsonView();
  const style = styleFor(out);
  return options.follow === true ? new LiveView(file, style) : new SummaryView(file, limit, style);
}

function readLine(line: RecordLine, integrity: Integrity): RecordedEvent | undefined {
  if (line.bytes === undefined) {
    integrity.tooLong(line.number);
    return undefined;
  }
  const read = readEvent(line.bytes);
  integrity.check(line.number, read, line.ended);
  return "event" in read ? read.event : undefined;
}

async function openRecord(file: string): Promise<FileHandle> {
  try {
    return await open(file === "-" ? "/dev/stdin" : file, "r");
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

async function* readable(
  file: string,
  lines: AsyncIterable<readonly RecordLine[]>,
): AsyncGenerator<readonly RecordLine[]> {
  try {
    yield* lines;
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): SkillboxError {
  const why = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  return new SkillboxError("ERR_USAGE", `the record cannot be read: ${file}: ${why}`, { cause });
}

/** A picture, a program: nothing in it is an event. */
function notARecord(file: string, { problems }: Integrity): SkillboxError {
  const [first] = problems;
  const example = first === undefined ? "" : `: ${renderProblem(file, first)}`;
  return new SkillboxError("ERR_USAGE", `this is not an audit record${example}`, {
    hint: "`skillbox exec --audit FILE -- …` writes one",
  });
}

const mostProblemsBeforeFirstEvent = 1000;

function wholeNumber(flag: string, written: string | undefined, least: number): number | undefined {
  if (written === undefined) return undefined;
  const value = Number(written);
  if (/^\d{1,9}$/.test(written) && value >= least) return value;
  throw new SkillboxError(
    "ERR_USAGE",
    `${flag}: ${JSON.stringify(written)} is not a number from ${least} on`,
  );
}
