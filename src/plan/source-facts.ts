import { lstatSync } from "node:fs";
import { sourcesOf } from "./encode.js";
import type { LaunchPlan, SourceFacts } from "./launch-plan.js";

/** What the host has at the plan's sources by now: PID 1 refuses whatever has taken their place later. */
export function sourceFacts(plan: LaunchPlan): ReadonlyMap<string, SourceFacts> {
  const facts = new Map<string, SourceFacts>();
  for (const { path } of plan.operations.flatMap(sourcesOf)) {
    const stats = lstatSync(path, { bigint: true });
    facts.set(path, { device: stats.dev, inode: stats.ino, uid: Number(stats.uid), gid: Number(stats.gid) });
  }
  return facts;
}
