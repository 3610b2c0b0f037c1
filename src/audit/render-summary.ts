import { shownBytes } from "./describe.js";
import type { Integrity } from "./integrity.js";
import type { RecordedProcess } from "./processes.js";
import { stringOf } from "./read-event.js";
import { renderEntry, verdictOf, whoOf } from "./render-event.js";
import { counted, renderIntegrity, renderOutcome, renderStart } from "./render-header.js";
import { shownPlain, shownWord, shownWords } from "./shown.js";
import type { Style } from "./style.js";
import type { Access } from "./subject.js";
import type { NetworkUse, RecordSummary } from "./summary.js";

export interface RenderOptions {
  readonly file: string;
  /** Lines of a section. */
  readonly limit: number;
  readonly style: Style;
}

/** A record as a person reads it: what was run and how it ended, what was refused, who did what, in order, and with which files and peers. */
export function renderSummary(summary: RecordSummary, integrity: Integrity, options: RenderOptions): string {
  const { style } = options;
  const header = [
    ...(summary.start === undefined ? [] : renderStart(summary.start, style)),
    ...renderOutcome(summary.end, style),
    ...renderIntegrity(integrity, summary.denied, options.file, style),
  ];
  const sections = [
    header,
    denials(summary, options),
    processes(summary, options),
    timeline(summary, options),
    files(summary, options),
    network(summary, options),
  ];
  const shown = sections.filter((lines) => lines.length > 0).map((lines) => lines.join("\n"));
  if (summary.asked === 0 && integrity.events > 0) shown.push("No event matches.");
  return `${shown.join("\n\n")}\n`;
}

function section(
  title: string,
  lines: readonly string[],
  uncounted: number,
  { limit, style }: RenderOptions,
): string[] {
  if (lines.length === 0) return [];
  const notes = [
    ...(lines.length > limit ? [`… and ${lines.length - limit} more lines (--limit)`] : []),
    ...(uncounted > 0
      ? [`… and ${counted(uncounted, "event")} about more than is kept apart here; narrow it down`]
      : []),
  ];
  return [style.heading(title), ...lines.slice(0, limit), ...notes.map((note) => `  ${style.quiet(note)}`)];
}

function denials({ denials: tally }: RecordSummary, options: RenderOptions): string[] {
  const { style } = options;
  // What was refused for certain goes before what the kernel presumably refused.
  const [certain, presumed] = ["deny", "expected-deny"].map((verdict) =>
    tally.items().filter(({ first }) => first.verdict === verdict),
  );
  const lines = [...(certain ?? []), ...(presumed ?? [])].map(({ first, text, count }) => {
    const hint = stringOf(first.members["hint"]);
    const times = count === 1 ? "" : ` (${count} times)`;
    const cure = hint === undefined ? "" : `\n      ${style.quiet(`hint: ${shownPlain(hint)}`)}`;
    return `  ${whoOf(first).padEnd(20)} ${shownPlain(first.type, 20).padEnd(15)} ${text}${times}${verdictOf(first, style)}${cure}`;
  });
  return section("Denied", lines, tally.uncounted, options);
}

function processes({ processes: tree }: RecordSummary, options: RenderOptions): string[] {
  const lines: string[] = [];
  // With a stack of its own: a chain of forks may be as deep as the program likes.
  const rest = tree.roots
    .filter(({ shown }) => shown)
    .map((task) => ({ task, depth: 0 }))
    .reverse();
  for (let next; (next = rest.pop()) !== undefined;) {
    lines.push(processLine(next.task, next.depth, options.style));
    for (const task of next.task.children.toReversed()) {
      if (task.shown) rest.push({ task, depth: next.depth + 1 });
    }
  }
  return section("Processes", lines, tree.uncounted, options);
}

function processLine(
  { pid, argv, exe, comm, exit, events }: RecordedProcess,
  depth: number,
  style: Style,
): string {
  const margin = "  ".repeat(Math.min(depth, 16));
  const command =
    argv === undefined || argv.length === 0 ? `(${shownWord(comm ?? "?")})` : shownWords(argv, 160);
  const program = exe === undefined ? "" : `  ${style.quiet(shownWord(exe))}`;
  const end = exit === undefined ? "" : `  ${exit}`;
  return `  ${margin}${pid}  ${command}${program}${end}  ${style.quiet(counted(events, "event"))}`;
}

function timeline({ timeline: story, start }: RecordSummary, options: RenderOptions): string[] {
  const { style } = options;
  const { head, omitted, tail } = story.entries();
  const lines = [...head, ...tail].map((entry) =>
    renderEntry(entry, start?.timeMs ?? head[0]?.first.timeMs, style),
  );
  if (lines.length === 0) return [];
  const gap = `  ${style.quiet(`… ${counted(omitted, "line")} left out (--limit, --type, --pid, --path; --json has all)`)}`;
  return [
    style.heading("Timeline"),
    ...lines.slice(0, head.length),
    ...(omitted > 0 ? [gap] : []),
    ...lines.slice(head.length),
  ];
}

function files({ files: tally }: RecordSummary, options: RenderOptions): string[] {
  const all = tally.items();
  const sections = accesses.flatMap(({ access, title }) => {
    const uses = all
      .map(({ path, counts }) => ({ path, count: counts.get(access) ?? 0 }))
      .filter(({ count }) => count > 0)
      .sort((one, other) => other.count - one.count || (one.path < other.path ? -1 : 1));
    if (uses.length === 0) return [];
    const lines = uses.map(({ path, count }) => `  ${String(count).padStart(6)}  ${shownWord(path)}`);
    return ["", ...section(`${title} (${counted(uses.length, "path")})`, lines, 0, options)];
  });
  const uncounted =
    tally.uncounted === 0
      ? []
      : ["", `… and ${counted(tally.uncounted, "use")} of more files than are kept apart`];
  return [...sections, ...uncounted].slice(1);
}

const accesses: readonly { readonly access: Access; readonly title: string }[] = [
  { access: "written", title: "Files opened for writing" },
  { access: "created", title: "Names created" },
  { access: "deleted", title: "Deleted" },
  { access: "renamed", title: "Renamed" },
  { access: "attributes", title: "Attributes changed" },
  { access: "executed", title: "Executed" },
  { access: "read", title: "Read" },
  { access: "looked at", title: "Looked at" },
];

function network({ network: tally }: RecordSummary, options: RenderOptions): string[] {
  const lines = tally.items().map((use) => networkLine(use, options.style));
  return section("Network", lines, tally.uncounted, options);
}

function networkLine({ verb, what, count, errnos, bytesIn, bytesOut }: NetworkUse, style: Style): string {
  const times = count > 1 ? ` (${count} times)` : "";
  const failed = errnos.size === 0 ? "" : `  ${style.quiet(`failed (${[...errnos].join(", ")})`)}`;
  const bytes = bytesIn + bytesOut === 0 ? "" : `  ${shownBytes(bytesIn)} in, ${shownBytes(bytesOut)} out`;
  return `  ${verb.padEnd(8)} ${what}${times}${failed}${bytes}`;
}
