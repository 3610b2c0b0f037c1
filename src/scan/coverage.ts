import type { Exercise } from "./exercise.js";
import { boundedList, boundedText, bounds } from "./report-bounds.js";
import type { ScanReport } from "./scan-report.js";
import type { EntryPoint } from "./entry-points.js";

type Entry = ScanReport["coverage"]["entries"]["items"][number];

/** What was run to an end of its own, and why the rest was not. `left`: entry points that were never started. */
export function coverageOf(
  exercises: readonly Exercise[],
  left: readonly EntryPoint[],
): ScanReport["coverage"] {
  const entries = [
    ...exercises.map((exercise): Entry => ({
      ...common(exercise.entry),
      ...stateOf(exercise),
      run: exercise.id,
    })),
    ...left.map((entry): Entry => ({ ...common(entry), state: "incomplete", reason: "cancelled" })),
  ];
  return {
    entryPoints: entries.length,
    exercised: entries.filter(({ state }) => state === "exercised").length,
    entries: boundedList(entries, bounds.entryPoints),
  };
}

function common({ phase, file, line, name }: EntryPoint): Pick<Entry, "phase" | "entry"> {
  return {
    phase,
    entry: {
      file,
      ...(line === undefined ? {} : { line }),
      ...(name === undefined ? {} : { name: boundedText(name, bounds.name) }),
    },
  };
}

type State = Pick<Entry, "state" | "reason" | "detail">;

function stateOf({ result, failure, notes, output, events, sealed }: Exercise): State {
  const incomplete = (reason: NonNullable<Entry["reason"]>, detail = ""): State => ({
    state: "incomplete",
    reason,
    ...(detail === "" ? {} : { detail: boundedText(detail, bounds.sentence) }),
  });
  if (result === undefined) {
    const isMissing = (failure ?? "").includes("ERR_NOT_FOUND");
    return incomplete(isMissing ? "missing-interpreter" : "not-started", failure);
  }
  if (result.outcome === "timed-out") return incomplete("timed-out");
  if (result.outcome === "killed") return incomplete("cancelled");
  if (result.outcome === "out-of-memory" || result.outcome === "output-limit")
    return incomplete("limit", result.outcome);
  if (result.outcome === "signaled") return incomplete("crashed", result.signal);
  const missing = notes.find(({ what }) => what === "missing");
  if (missing !== undefined) return incomplete("missing-dependency", String(missing.more["module"]));
  if (result.exitCode === 127) return incomplete("missing-interpreter", output.trim().split("\n").at(-1));
  const [closed] = sealed;
  if (closed !== undefined)
    return incomplete(
      "unsupported",
      `it took no certificate but one it knows at ${closed.host}:${closed.port}`,
    );
  const gap = events.some(({ type }) => type === "audit.gap");
  return gap ? incomplete("record-lost") : { state: "exercised" };
}
