import { shownBytes } from "./describe.js";
import type { Integrity, Problem } from "./integrity.js";
import { integerOf, listOf, numberOf, objectOf, stringOf, type RecordedEvent } from "./read-event.js";
import { shownPlain, shownWord, shownWords } from "./shown.js";
import type { Style } from "./style.js";

/** What run.start says. */
export function renderStart({ run, members }: RecordedEvent, style: Style): string[] {
  const policy = objectOf(members["policy"]);
  const host = objectOf(members["host"]);
  const name = stringOf(policy["name"]);
  const hash = stringOf(policy["sha256"]);
  const limits = listOf(members["limits"], (limit) => {
    const { resource, requested } = objectOf(limit);
    return `${stringOf(resource) ?? "?"} ${stringOf(requested) ?? "?"}`;
  });
  const uid = integerOf(objectOf(members["caller"])["uid"]);
  const where = [stringOf(host["kernel"]) ?? "", stringOf(host["arch"]) ?? ""].join(" ").trim();
  return [
    row("run", `${shownPlain(run, 64)}  ${shownPlain(stringOf(members["time"]) ?? "", 32)}`, style),
    row(
      "policy",
      [name === undefined ? "without a name" : shownWord(name, 80), style.quiet(hashed(hash))].join("  "),
      style,
    ),
    row("command", shownWords(listOf(members["argv"], stringOf)), style),
    row("in", shownWord(stringOf(members["cwd"]) ?? "?"), style),
    row("caller", shownPlain(`uid ${uid ?? "?"}${where === "" ? "" : `, Linux ${where}`}`), style),
    ...(limits.length === 0 ? [] : [row("limits", shownPlain(limits.join(", ")), style)]),
    row("level", shownPlain(stringOf(members["level"]) ?? "?", 32), style),
  ];
}

function hashed(hash: string | undefined): string {
  return hash === undefined ? "" : `sha256 ${shownPlain(hash, 64)}`;
}

/** What run.end says. */
export function renderOutcome(end: RecordedEvent | undefined, style: Style): string[] {
  if (end === undefined) return [row("outcome", style.refused("not on record"), style)];
  const result = objectOf(end.members["result"]);
  const outcome = stringOf(result["outcome"]) ?? "?";
  const limit = stringOf(result["limit"]);
  const signal = stringOf(result["signal"]);
  const code = integerOf(result["exitCode"]);
  const how = signal === undefined ? (code === undefined ? "" : ` with status ${code}`) : ` by ${signal}`;
  const cpu = objectOf(result["cpuTimeMs"]);
  const memory = numberOf(result["memoryPeakBytes"]);
  const costs = [
    `${shownMs(result["wallTimeMs"])} wall`,
    `${shownMs((numberOf(cpu["user"]) ?? 0) + (numberOf(cpu["system"]) ?? 0))} CPU`,
    ...(memory === undefined ? [] : [`${shownBytes(memory)} memory`]),
  ].join(", ");
  const text = shownPlain(`${outcome}${how}${limit === undefined ? "" : `, limit ${limit}`}`);
  const isPlainEnd = outcome === "exited" && code === 0;
  return [row("outcome", `${isPlainEnd ? text : style.heading(text)}  ${style.quiet(costs)}`, style)];
}

/** Whether the record can be relied on. */
export function renderIntegrity(integrity: Integrity, denied: number, file: string, style: Style): string[] {
  const { events, problems, problemCount, dropped } = integrity;
  const state =
    problemCount > 0
      ? style.refused("damaged or incomplete")
      : dropped > 0
        ? style.refused(`${dropped} dropped`)
        : "complete";
  return [
    row("record", `${counted(events, "event")}, ${denied} denied, ${state}`, style),
    ...problems.map((problem) => `           ${style.refused(renderProblem(file, problem))}`),
    ...(problemCount > problems.length
      ? [`           and ${problemCount - problems.length} more of this kind`]
      : []),
  ];
}

/** "record.jsonl:17: not an event: not JSON" */
export function renderProblem(file: string, { line, text }: Problem): string {
  return `${shownWord(file)}${line === undefined ? "" : `:${line}`}: ${shownPlain(text)}`;
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function row(name: string, text: string, style: Style): string {
  return `${style.quiet(name.padEnd(10))} ${text}`;
}

function shownMs(value: unknown): string {
  const ms = numberOf(value) ?? 0;
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
