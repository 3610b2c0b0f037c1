import type { AuditEvent } from "./event.js";

/** What the bridge needs of a logger: pino's, or one with the same methods. */
export interface EventLogger {
  info(members: object, message?: string): void;
  warn(members: object, message?: string): void;
}

/**
 * Hands the events of a run to an embedder's own logger: refusals, dropped events and limits that were reached as warnings, the rest
 * as information. The event is the member `audit`, so that none of its members meets one of the logger's own (pino has `time` and `pid`).
 */
export function bridgeTo(logger: EventLogger): (event: AuditEvent) => void {
  return (event) => {
    const message = `${event.type}${refusal(event)}`;
    if (isWarning(event)) logger.warn({ audit: event }, message);
    else logger.info({ audit: event }, message);
  };
}

function isWarning(event: AuditEvent): boolean {
  if (event.type === "audit.gap" || event.type === "resource.limit") return true;
  return "verdict" in event && (event.verdict === "deny" || event.verdict === "expected-deny");
}

function refusal(event: AuditEvent): string {
  if (!isWarning(event) || !("rule" in event) || event.rule === undefined) return "";
  return ` refused by ${event.rule}`;
}
