import { isUtf8 } from "node:buffer";

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * An event as the reader sees it. A record may be damaged, forged or of a newer version: only what every event has is insisted on, the
 * rest is taken where it has the expected form.
 */
export interface RecordedEvent {
  readonly seq: number;
  readonly timeMs: number;
  readonly run: string;
  readonly type: string;
  readonly pid: number | undefined;
  readonly ppid: number | undefined;
  readonly tid: number | undefined;
  readonly comm: string | undefined;
  readonly exe: string | undefined;
  readonly syscall: string | undefined;
  readonly args: JsonObject;
  readonly verdict: string | undefined;
  /** How many refusals it stands for; 1 for everything else. */
  readonly count: number;
  /** Refused, or expected to be. */
  readonly denied: boolean;
  readonly members: JsonObject;
}

export type ReadLine = { readonly event: RecordedEvent } | { readonly problem: string };

/** Reads one line of a record. */
export function readEvent(line: Uint8Array): ReadLine {
  if (!isUtf8(line)) return { problem: "not an event: not UTF-8" };
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString());
  } catch {
    return { problem: "not an event: not JSON" };
  }
  if (!isObject(value)) return { problem: "not an event: not a JSON object" };
  return readMembers(value);
}

function readMembers(members: JsonObject): ReadLine {
  const { v, seq, time, run, type } = members;
  if (v !== 1) {
    const newer = typeof v === "number" && Number.isInteger(v) && v > 1;
    return {
      problem: newer
        ? `version ${v} of the record is newer than this skillbox`
        : "not an event: `v` is not 1",
    };
  }
  if (typeof seq !== "number" || !Number.isSafeInteger(seq) || seq < 0)
    return { problem: "not an event: no `seq`" };
  const timeMs = typeof time === "string" ? Date.parse(time) : Number.NaN;
  if (Number.isNaN(timeMs)) return { problem: "not an event: no `time`" };
  if (typeof run !== "string") return { problem: "not an event: no `run`" };
  if (typeof type !== "string") return { problem: "not an event: no `type`" };
  const verdict = stringOf(members["verdict"]);
  return {
    event: {
      seq,
      timeMs,
      run,
      type,
      pid: integerOf(members["pid"]),
      ppid: integerOf(members["ppid"]),
      tid: integerOf(members["tid"]),
      comm: textOf(members["comm"]),
      exe: textOf(members["exe"]),
      syscall: stringOf(members["syscall"]) ?? integerOf(members["syscall"])?.toString(),
      args: objectOf(members["args"]),
      verdict,
      count: Math.max(1, integerOf(members["repeated"]) ?? 1),
      denied: verdict === "deny" || verdict === "expected-deny",
      members,
    },
  };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An empty one where it is none. */
export function objectOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

export function stringOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function numberOf(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

export function integerOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

/** A list of what `read` can read. */
export function listOf<Item>(value: unknown, read: (item: unknown) => Item | undefined): Item[] {
  if (!Array.isArray(value)) return [];
  return value.map(read).filter((item) => item !== undefined);
}

/** A string of the program's memory (event-values.ts): also what is there of one that was cut. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (!isObject(value)) return undefined;
  const { text, unreadable } = value;
  if (typeof text === "string") return `${text}…`;
  return typeof unreadable === "string" ? `(unreadable: ${unreadable})` : undefined;
}
