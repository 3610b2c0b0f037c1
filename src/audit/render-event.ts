import { describe } from "./describe.js";
import { stringOf, type RecordedEvent } from "./read-event.js";
import { shownPlain, shownWord } from "./shown.js";
import type { Style } from "./style.js";
import type { TimelineEntry } from "./timeline.js";

/** One line of the timeline: when, who, what, about what, and whether it was refused. */
export function renderEvent(event: RecordedEvent, startMs: number | undefined, style: Style): string {
  const more = event.count === 1 ? "" : ` (${event.count} more times)`;
  return line(event, `${describe(event)}${more}`, startMs, style);
}

export function renderEntry(
  { first, text, count, same }: TimelineEntry,
  startMs: number | undefined,
  style: Style,
): string {
  const more = count === 1 ? "" : same ? ` (${count} times)` : ` and ${count - 1} more`;
  return line(first, `${text}${more}`, startMs, style);
}

function line(event: RecordedEvent, text: string, startMs: number | undefined, style: Style): string {
  const time = startMs === undefined ? "" : `+${((event.timeMs - startMs) / 1000).toFixed(3)}`;
  return [
    style.quiet(time.padStart(9)),
    ` ${whoOf(event).padEnd(20)}`,
    ` ${shownPlain(event.type, 20).padEnd(15)}`,
    ` ${text}${verdictOf(event, style)}`,
  ]
    .join("")
    .trimEnd();
}

export function whoOf({ pid, tid, comm }: RecordedEvent): string {
  if (pid === undefined) return comm === undefined ? "-" : shownWord(comm, 20);
  const thread = tid === undefined || tid === pid ? "" : `/${tid}`;
  return `${comm === undefined ? "" : shownWord(comm, 20)}[${pid}${thread}]`;
}

/** "  DENIED by filesystem (EPERM)"; nothing for what went through. */
export function verdictOf(event: RecordedEvent, style: Style): string {
  const rule = stringOf(event.members["rule"]);
  const errno = stringOf(event.members["errno"]);
  const failed = errno === undefined ? "" : ` (${shownPlain(errno, 32)})`;
  if (!event.denied) return failed === "" ? "" : `  ${style.quiet(`failed${failed}`)}`;
  const by = `${rule === undefined ? "" : ` by ${shownPlain(rule)}`}${failed}`;
  return event.verdict === "deny"
    ? `  ${style.refused(`DENIED${by}`)}`
    : `  ${style.expected(`denied, presumably${by}`)}`;
}
