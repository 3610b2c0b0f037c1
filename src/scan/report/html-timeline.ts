import type { ScanReport } from "../scan-report.js";
import { markup, type Markup } from "./html-markup.js";

const width = 1000;
const labelWidth = 150;
const rowHeight = 22;
/** A picture with a line for each of more runs than these is no longer looked at. */
const mostRuns = 60;

/** A line a run with a tick an event, refusals in red, over the time of the scan. */
export function timelineMarkup(report: ScanReport): Markup | undefined {
  const events = report.observed.timeline.items;
  const runs = report.runs.items.filter(({ id }) => events.some(({ run }) => run === id)).slice(0, mostRuns);
  if (runs.length === 0) return undefined;
  const times = events.map(({ time }) => Date.parse(time));
  const first = times.reduce((least, time) => Math.min(least, time));
  const span = Math.max(1, times.reduce((most, time) => Math.max(most, time)) - first);
  const lines = runs.map((run, row) => {
    const y = row * rowHeight;
    const ticks = events
      .filter((event) => event.run === run.id)
      .map((event) => {
        const at = Date.parse(event.time) - first;
        const x = Math.round((labelWidth + (at / span) * (width - labelWidth - 10)) * 10) / 10;
        const refused = event.verdict === "deny" || event.verdict === "expected-deny";
        return markup`<rect class="${refused ? "t-deny" : kindOf(event.type)}" x="${x}" y="${y + 5}" width="2.5" height="14"><title>+${at} ms ${event.what}</title></rect>`;
      });
    return markup`<text x="6" y="${y + 16}">${run.id} ${run.phase}</text>${ticks} `;
  });
  const height = runs.length * rowHeight + 20;
  return markup`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="timeline">
      ${lines}
      <text x="${labelWidth}" y="${height - 5}">0</text>
      <text x="${width - 10}" y="${height - 5}" text-anchor="end">${span} ms</text>
    </svg>
    <p class="quiet">Files blue, network green, processes brown, refused red.</p>`;
}

function kindOf(type: string): string {
  const [kind] = type.split(".");
  return kind === "file" || kind === "net" || kind === "process" ? `t-${kind}` : "t-other";
}
