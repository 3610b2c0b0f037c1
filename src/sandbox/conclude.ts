import type { RunResult } from "../result/run-result.js";
import { runResult, type Ended } from "./outcome.js";
import type { Session } from "./session.js";

/** What a session does not know of itself. */
type Left = Omit<Ended, "runId" | "preparation" | "cgroup" | "network">;

/**
 * The account of a sandbox in which everything is dead, and the last lines of its record; `more` stands in run.end beside the
 * result. Throws ERR_AUDIT where the record is not whole and the policy does not put up with that.
 */
export async function conclude(
  { trail, runId, preparation, cgroup, network }: Session,
  left: Left,
  more: object = {},
): Promise<RunResult> {
  trail.drain();
  trail.assertWhole();
  const result = runResult({ ...left, runId, preparation, cgroup, network });
  const hit = result.limits.find(({ resource }) => resource === result.limit);
  if (hit !== undefined) trail.write("resource.limit", { resource: hit.resource, requested: hit.requested });
  trail.end(result, more);
  return { ...result, audit: await trail.summary() };
}
