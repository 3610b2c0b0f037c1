import { eventTypes } from "../audit/event-types.js";
import type { AuditEvent } from "../audit/event.js";
import { bridgeTo, type EventLogger } from "../audit/logger-bridge.js";
import { recordLines } from "../audit/record-lines.js";
import type { AuditTrail } from "../sandbox/audit-trail.js";

/** How often the record is looked at while nothing comes; it is written every 50 ms at least. */
const pollMs = 20;

export interface EventOptions {
  /** The byte of the record from which to read. Default: its first. */
  readonly start?: number;
  /** Default: only the record's end ends them. */
  readonly isLast?: (event: AuditEvent) => boolean;
}

/**
 * The events of a record, as they are written, until the last or until `isLast` says so. Each reader goes at
 * its own pace: they are read from the record, which bounds what is kept by audit.maxBytes.
 */
export async function* recordedEvents(
  trail: AuditTrail,
  { start = 0, isLast = () => false }: EventOptions = {},
): AsyncGenerator<AuditEvent> {
  const file = await trail.read();
  try {
    for await (const lines of recordLines(file, { start, follow: true, signal: trail.closed, pollMs })) {
      for (const { bytes } of lines) {
        const event: unknown = JSON.parse(Buffer.from(bytes ?? []).toString());
        if (!isAuditEvent(event)) continue;
        yield event;
        if (isLast(event)) return;
      }
    }
  } finally {
    await file.close();
  }
}

/** The record is our own: what it says of its type is true. */
function isAuditEvent(value: unknown): value is AuditEvent {
  if (typeof value !== "object" || value === null || !("type" in value)) return false;
  return typeof value.type === "string" && eventTypes.includes(value.type);
}

/** Hands the events to an embedder's logger until the run is over, or until the logger throws. */
export function logEvents(trail: AuditTrail, logger: EventLogger, onFailure: (cause: unknown) => void): void {
  const log = bridgeTo(logger);
  const logAll = async (): Promise<void> => {
    for await (const event of recordedEvents(trail)) log(event);
  };
  logAll().catch(onFailure);
}
