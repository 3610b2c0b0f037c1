import { createReadStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { ExecutionContext } from "ava";
import { auditEventSchema, type AuditEvent } from "../../src/audit/event.js";

/** The events of a whole record: every line is one of the schema's, and none is missing between the first and the last. */
export function readRecord(t: ExecutionContext, file: string): AuditEvent[] {
  const text = readFileSync(file, "utf8");
  t.true(text.endsWith("\n"), "the last line is whole");
  const events = text
    .slice(0, -1)
    .split("\n")
    .map((line) => auditEventSchema.parse(JSON.parse(line)));
  t.deepEqual(
    events.map(({ seq }) => seq),
    events.map((_, index) => index + 1),
  );
  return events;
}

/** Events that are system calls: by name, or all of them. */
export function callsOf(events: readonly AuditEvent[], name?: string): SystemCall[] {
  return events.flatMap((event) => {
    if (!("syscall" in event) || event.syscall === undefined) return [];
    if (name !== undefined && event.syscall !== name) return [];
    return [event];
  });
}

type SystemCall = Extract<AuditEvent, { readonly args?: unknown }>;

/** An argument that is text, as the bytes that the program passed. */
export function argumentBytes(event: SystemCall, name: string): Buffer | undefined {
  const value = event.args?.[name];
  return typeof value === "string" ? textBytes(value) : undefined;
}

/** Undoes the record's spelling of bytes that are no UTF-8: U+DC80 to U+DCFF. */
export function textBytes(text: string): Buffer {
  const parts = Array.from(text, (character) => {
    const code = character.charCodeAt(0);
    return character.length === 1 && code >= 0xdc80 && code <= 0xdcff
      ? Buffer.from([code & 0xff])
      : Buffer.from(character);
  });
  return Buffer.concat(parts);
}

export interface Tally {
  readonly lines: number;
  /** How many lines each system call has; other events by their type. */
  readonly counts: ReadonlyMap<string, number>;
}

/** For records too large to hold: throws at the first line that is not JSON or not the next in order. */
export async function tallyRecord(file: string): Promise<Tally> {
  const counts = new Map<string, number>();
  let lines = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity })) {
    const event: unknown = JSON.parse(line);
    lines++;
    if (typeof event !== "object" || event === null || !("seq" in event) || event.seq !== lines) {
      throw new Error(`line ${lines} is out of order: ${line}`);
    }
    const name = "syscall" in event ? event.syscall : "type" in event ? event.type : "";
    counts.set(String(name), (counts.get(String(name)) ?? 0) + 1);
  }
  return { lines, counts };
}
