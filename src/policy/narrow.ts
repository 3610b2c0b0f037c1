import { defaultPolicy } from "./default.js";
import { narrowNetwork } from "./narrow-network.js";
import { narrowEnvironment } from "./narrow-environment.js";
import { narrowFilesystem } from "./narrow-filesystem.js";
import { auditLevels, type Limit, limitNames, type Origin, type Policy } from "./policy.js";

/**
 * Something that the request asked for and did not get, or not in full. The texts are as the skill wrote them: whoever shows
 * them on a terminal sends them through displayText first.
 */
export interface Refusal {
  /** The key of the policy: "filesystem.write", "network.egress", "resources.memory". */
  readonly subject: string;
  /** What was asked, as it was written. */
  readonly asked: string;
  /** What the request gets of it; undefined for nothing. */
  readonly given: string | undefined;
  /** One sentence. */
  readonly reason: string;
  /** Where it was asked. */
  readonly askedAt: Origin | undefined;
  /** The line of the ceiling that decides; undefined where no line of it speaks of what was asked. */
  readonly decidedBy: Origin | undefined;
}

export interface Narrowed {
  readonly policy: Policy;
  readonly refused: readonly Refusal[];
}

/**
 * What a skill's request comes to under the operator's ceiling: their intersection. Nothing is granted that the ceiling
 * does not grant; what both grant is granted, in the request's spelling. Denials of both hold, of two limits the lower, of
 * two audit levels the higher. `narrow(c, c)` is `c`, and narrowing a result again changes nothing.
 *
 * Pure and lexical: symbolic links are not resolved and names not looked up; that is done, and judged again, at launch.
 */
export function narrow(ceiling: Policy, request: Policy): Narrowed {
  const refused: Refusal[] = [];
  const policy: Policy = {
    version: 1,
    ...(request.name === undefined ? {} : { name: request.name }),
    filesystem: narrowFilesystem(ceiling.filesystem, request.filesystem, refused),
    network: narrowNetwork(ceiling.network, request.network, refused),
    resources: narrowResources(ceiling.resources, request.resources, refused),
    environment: narrowEnvironment(ceiling.environment, request.environment, refused),
    syscalls: narrowSyscalls(ceiling.syscalls, request.syscalls, refused),
    audit: narrowAudit(ceiling.audit, request.audit, refused),
  };
  return { policy, refused };
}

function narrowResources(
  ceiling: Policy["resources"],
  request: Policy["resources"],
  refused: Refusal[],
): Policy["resources"] {
  const resources: { [Name in (typeof limitNames)[number]]?: Limit } = {};
  const defaults = defaultPolicy().resources;
  for (const name of limitNames) {
    const most = ceiling[name];
    const asked = request[name];
    const limit = narrowLimit(most, asked);
    if (limit === undefined) continue;
    resources[name] = limit;
    // A default that nobody wrote down is not a request.
    const wasAsked =
      asked !== undefined && (asked.origin !== undefined || asked.value !== defaults[name]?.value);
    if (wasAsked && most !== undefined && limit.value < asked.value)
      refused.push({
        subject: `resources.${name}`,
        asked: asked.written,
        given: most.written,
        reason: `the ceiling's limit is ${most.written}`,
        askedAt: asked.origin,
        decidedBy: most.origin,
      });
  }
  return resources;
}

/** A limit that only the request has is its own to soften; one of the operator's is softened only by both. */
function narrowLimit(most: Limit | undefined, asked: Limit | undefined): Limit | undefined {
  if (most === undefined || asked === undefined) return most ?? asked;
  const lower = asked.value <= most.value ? asked : most;
  return { ...lower, bestEffort: most.bestEffort && asked.bestEffort };
}

/** Only the built-in profiles can be compared; a profile of the request's own is never taken. */
function narrowSyscalls(
  ceiling: Policy["syscalls"],
  request: Policy["syscalls"],
  refused: Refusal[],
): Policy["syscalls"] {
  if (request.profile === ceiling.profile) return request;
  if (request.profile === "strict" && ceiling.profile === "default") return request;
  if (request.profile !== "default")
    refused.push({
      subject: "syscalls.profile",
      asked: request.profile,
      given: ceiling.profile,
      reason: "the ceiling's profile holds: only `strict` is known to be narrower, and only than `default`",
      askedAt: request.origin,
      decidedBy: ceiling.origin,
    });
  return ceiling;
}

/** The record is the operator's: its size too, for one cut short early would hide what comes after. */
function narrowAudit(
  ceiling: Policy["audit"],
  request: Policy["audit"],
  refused: Refusal[],
): Policy["audit"] {
  const level = auditLevels[Math.max(auditLevels.indexOf(ceiling.level), auditLevels.indexOf(request.level))];
  const audit = {
    level: level ?? ceiling.level,
    maxBytes: ceiling.maxBytes,
    onFailure: ceiling.onFailure === "stop" ? ceiling.onFailure : request.onFailure,
  };
  const defaults = defaultPolicy().audit;
  const decided = { reason: "the ceiling decides on the record", askedAt: undefined, decidedBy: undefined };
  for (const key of ["level", "maxBytes", "onFailure"] as const) {
    const asked = request[key];
    if (asked === audit[key] || asked === defaults[key]) continue;
    refused.push({ subject: `audit.${key}`, asked: String(asked), given: String(audit[key]), ...decided });
  }
  return audit;
}
