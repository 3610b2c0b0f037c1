import { SkillboxError } from "../errors.js";
import { cgroupLimits, routeCgroups, type CgroupLimit } from "../host/cgroup-support.js";
import { CgroupDirectories, type CgroupMember } from "./cgroup-directories.js";
import { openV1Cgroup } from "./cgroup-v1.js";
import { openV2Cgroup } from "./cgroup-v2.js";
import { enterScope } from "./cgroup-systemd-scope.js";
import { clearStaleCgroups } from "./cgroup-stale.js";
import { ownedName } from "./run-owner.js";
import type { Cgroup, CgroupRequest } from "./cgroup-types.js";

export {
  probeCgroups,
  type CgroupSupport,
  type CgroupLimit,
  type LimitSupport,
} from "../host/cgroup-support.js";
export { clearStaleCgroups } from "./cgroup-stale.js";
export type { Cgroup, CgroupRequest, CgroupStats, IoLimit } from "./cgroup-types.js";

/**
 * Makes the cgroup with the limits in force, and first clears what dead runs left there. Only the controllers that
 * the request needs are touched. Throws ERR_LIMIT_UNSUPPORTED, naming the limit, where this host and caller have none.
 */
export async function createCgroup(request: CgroupRequest): Promise<Cgroup> {
  const limits = cgroupLimits.filter((limit) => isRequested(request, limit));
  const holderPid = request.holderPid ?? process.pid;
  const result = routeCgroups(limits, holderPid);
  if (!result.ok) throw unsupported(result.limit, result.reason, result.hint);

  const { v1, v2 } = result.route;
  const name = ownedName(request.runId);
  const members: CgroupMember[] = [];
  try {
    if (v2 !== undefined) {
      const placement = "placement" in v2 ? v2.placement : await enterScope(holderPid, v2.userManager);
      await clearStaleCgroups([placement.base]);
      members.push(openV2Cgroup({ placement, name, limits: v2.limits, request }));
    }
    await clearStaleCgroups(v1.map(({ hierarchy }) => hierarchy.own));
    members.push(...openV1Cgroup({ route: v1, name, request }));
  } catch (cause) {
    await new CgroupDirectories(members).remove();
    if (cause instanceof SkillboxError) throw cause;
    throw new SkillboxError("ERR_LAUNCH", `the cgroup for the limits could not be made: ${String(cause)}`, {
      stage: "cgroup",
      cause,
    });
  }
  return new CgroupDirectories(members);
}

function isRequested(request: CgroupRequest, limit: CgroupLimit): boolean {
  if (limit === "memory") return request.memoryBytes !== undefined;
  return request[limit === "io" ? "ioMax" : limit] !== undefined;
}

function unsupported(limit: CgroupLimit, reason: string, hint: string): SkillboxError {
  return new SkillboxError("ERR_LIMIT_UNSUPPORTED", `${limit} cannot be limited here: ${reason}`, {
    stage: "cgroup",
    hint,
  });
}
