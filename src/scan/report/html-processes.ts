import type { ObservedProcess } from "../report-observed.js";
import { markup, type Markup } from "./html-markup.js";

/** Deeper chains than these (a fork bomb's) are shown flat: browsers nest only so many elements. */
const deepest = 16;

/** The processes of the runs as trees. One whose parent is unknown stands at the root. */
export function processesMarkup(processes: readonly ObservedProcess[], cut: number): Markup | undefined {
  if (processes.length + cut === 0) return undefined;
  const children = new Map<string, ObservedProcess[]>();
  const known = new Set(processes.map(({ run, pid }) => `${run} ${pid}`));
  for (const process of processes) {
    const parent = `${process.run} ${process.parent}`;
    const under = process.parent === undefined || !known.has(parent) ? "" : parent;
    children.set(under, [...(children.get(under) ?? []), process]);
  }
  const shown = new Set<ObservedProcess>();
  const below: Below = (process) =>
    (children.get(`${process.run} ${process.pid}`) ?? []).filter((child) => !shown.has(child));
  const trees = (children.get("") ?? []).map((root) => tree(root, below, shown, 0));
  // Pids are used again: a circle of parents has no root.
  const rest = processes
    .filter((process) => !shown.has(process))
    .map((process) => markup`<div class="leaf">${line(process)}</div>\n`);
  const more = cut > 0 ? markup`<p class="cut">${cut} more were cut.</p>` : markup``;
  return markup`${trees}${rest}${more}`;
}

type Below = (process: ObservedProcess) => readonly ObservedProcess[];

function tree(process: ObservedProcess, below: Below, shown: Set<ObservedProcess>, depth: number): Markup {
  shown.add(process);
  const children = below(process);
  if (children.length === 0) return markup`<div class="leaf">${line(process)}</div>\n`;
  const inside =
    depth < deepest
      ? children.map((child) => tree(child, below, shown, depth + 1))
      : flat(children, below, shown);
  return markup`<details open><summary>${line(process)}</summary>${inside}</details>\n`;
}

/** These and all below them, in the order of their depth. */
function flat(
  roots: readonly ObservedProcess[],
  below: Below,
  shown: Set<ObservedProcess>,
): readonly Markup[] {
  const found = [...roots];
  const lines: Markup[] = [];
  for (const process of found) {
    if (shown.has(process)) continue;
    shown.add(process);
    lines.push(markup`<div class="leaf">${line(process)}</div>\n`);
    found.push(...below(process));
  }
  return lines;
}

function line({ run, pid, exe, argv, exitCode, signal }: ObservedProcess): Markup {
  const end = signal ?? (exitCode === undefined ? "" : `exit ${exitCode}`);
  return markup`<code>${argv.length === 0 ? exe : argv.join(" ")}</code> <small>${run} · pid ${pid} · ${exe} ${end}</small>`;
}
