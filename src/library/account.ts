import type { RunResult } from "../result/run-result.js";
import type { ExitReport } from "../sandbox/reports.js";

/** A sandbox that was closed ended by itself, whatever its programs did. */
export function account({ user, system }: { user: number; system: number }, wallTimeMs: number): ExitReport {
  return {
    process: 0,
    exitCode: undefined,
    signal: undefined,
    reason: "own",
    wallTimeMs,
    userTimeMs: user,
    systemTimeMs: system,
    maxRssBytes: 0,
  };
}

type Network = RunResult["network"];
type Counts = Pick<RunResult["audit"], "events" | "denied" | "dropped">;

/** What came to pass in a kept sandbox while a program ran: the program's, where it ran alone. */
export interface Meter {
  readonly network: Network;
  readonly audit: Counts;
}

export function meterDifference(now: Meter, before: Meter): Meter {
  return {
    network: {
      connections: now.network.connections - before.network.connections,
      denied: now.network.denied - before.network.denied,
      bytesIn: now.network.bytesIn - before.network.bytesIn,
      bytesOut: now.network.bytesOut - before.network.bytesOut,
    },
    audit: {
      events: now.audit.events - before.audit.events,
      denied: now.audit.denied - before.audit.denied,
      dropped: now.audit.dropped - before.audit.dropped,
    },
  };
}
