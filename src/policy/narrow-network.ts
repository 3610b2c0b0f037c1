import { parseAddress } from "./cidr.js";
import {
  comparable,
  type ComparableRule,
  intersectRules,
  namedBy,
  namesAsWell,
  only,
  ruleContains,
  ruleText,
  sameRule,
} from "./egress-rule.js";
import type { Refusal } from "./narrow.js";
import type { EgressRule, NetworkPolicy, PathGrant, PortForward } from "./policy.js";

/** What both allow to be reached. The way there (`upstreamProxy`) is the ceiling's: it sees all that leaves. */
export function narrowNetwork(
  ceiling: NetworkPolicy,
  request: NetworkPolicy,
  refused: Refusal[],
): NetworkPolicy {
  const { upstreamProxy } = ceiling;
  const { proxyPort } = request;
  if (request.upstreamProxy !== undefined && request.upstreamProxy.url !== upstreamProxy?.url)
    refused.push({
      subject: "network.upstreamProxy",
      asked: request.upstreamProxy.url.replace(/\/\/[^/@]*@/, "//"),
      given: undefined,
      reason: "the ceiling decides by which way the host is left",
      askedAt: request.upstreamProxy.origin,
      decidedBy: upstreamProxy?.origin,
    });
  return {
    egress: narrowEgress(ceiling.egress, request.egress, refused),
    egressDeny: uniteEgressDeny(ceiling.egressDeny, request.egressDeny),
    forward: narrowForwards("forward", ceiling.forward, request.forward, refused),
    publish: narrowForwards("publish", ceiling.publish, request.publish, refused),
    unixSockets: narrowSockets(ceiling.unixSockets, request.unixSockets, refused),
    ...(proxyPort === undefined ? {} : { proxyPort }),
    ...(upstreamProxy === undefined ? {} : { upstreamProxy }),
    noProxy: ceiling.noProxy,
  };
}

function narrowSockets(
  ceiling: readonly PathGrant[],
  request: readonly PathGrant[],
  refused: Refusal[],
): readonly PathGrant[] {
  return request.filter((asked) => {
    const granted = ceiling.some(({ path }) => path === asked.path);
    if (!granted)
      refused.push({
        subject: "network.unixSockets",
        asked: asked.written,
        given: undefined,
        reason: "the ceiling has no such entry",
        askedAt: asked.origin,
        decidedBy: undefined,
      });
    return granted;
  });
}

/**
 * The egress rules of both. A rule of the request that lies within one rule of the ceiling is kept as it is; any other is
 * cut down to what it shares with each rule of the ceiling, which can always be written as rules again.
 */
function narrowEgress(
  ceiling: readonly EgressRule[],
  request: readonly EgressRule[],
  refused: Refusal[],
): readonly EgressRule[] {
  const allowed = ceiling.map(comparable);
  return request.map(comparable).flatMap((asked) => {
    const pieces: ComparableRule[] = [];
    const covers = (piece: ComparableRule): boolean =>
      pieces.some((known) => ruleContains(known, piece) && namesAsWell(known, piece));
    // Whole first, by the rule that names special addresses best: what is cut down besides may name some of them better.
    for (const rule of allowed) {
      if (!ruleContains(rule, asked)) continue;
      if (namesAsWell(rule, asked)) return [asked.rule];
      const whole = namedBy(rule, asked);
      if (!covers(whole)) pieces.push(whole);
    }
    let decidedBy: Refusal["decidedBy"];
    for (const rule of allowed) {
      const piece = intersectRules(asked, rule);
      if (piece === undefined || covers(piece)) continue;
      pieces.push(piece);
      decidedBy ??= rule.rule.origin;
    }
    refuseRule(asked, pieces, decidedBy, refused);
    return pieces.map(({ rule }) => rule);
  });
}

/** Both lists, without repeating what the ceiling already says. */
function uniteEgressDeny(
  ceiling: readonly EgressRule[],
  request: readonly EgressRule[],
): readonly EgressRule[] {
  return [...ceiling, ...request.filter((rule) => !ceiling.some((known) => sameRule(known, rule)))];
}

/** Of the request, what the ceiling forwards to the letter: the same listening port to the same address and port. */
function narrowForwards(
  key: "forward" | "publish",
  ceiling: readonly PortForward[],
  request: readonly PortForward[],
  refused: Refusal[],
): readonly PortForward[] {
  return request.filter((asked) => {
    const granted = ceiling.some((entry) => sameForward(entry, asked));
    if (granted) return true;
    const host = asked.host.includes(":") ? `[${asked.host}]` : asked.host;
    refused.push({
      subject: `network.${key}`,
      asked: `${asked.listenPort}:${host}:${asked.port}`,
      given: undefined,
      reason: "the ceiling has no such entry",
      askedAt: asked.origin,
      decidedBy: ceiling.find(({ listenPort }) => listenPort === asked.listenPort)?.origin,
    });
    return false;
  });
}

/** One refusal for each destination that did not come through whole. */
function refuseRule(
  asked: ComparableRule,
  pieces: readonly ComparableRule[],
  decidedBy: Refusal["decidedBy"],
  refused: Refusal[],
): void {
  for (const destination of asked.to) {
    const alone = only(asked, destination);
    if (pieces.some((piece) => ruleContains(piece, alone))) continue;
    const parts = pieces.flatMap((piece) => {
      const part = intersectRules(alone, piece);
      return part === undefined ? [] : [ruleText(part.rule)];
    });
    refused.push({
      subject: "network.egress",
      asked: ruleText(alone.rule),
      given: parts.length === 0 ? undefined : parts.join("; "),
      reason:
        parts.length === 0
          ? "no rule of the ceiling allows any of it"
          : "the ceiling allows only a part of it",
      askedAt: asked.rule.origin,
      decidedBy: parts.length === 0 ? undefined : decidedBy,
    });
  }
}

function sameForward(a: PortForward, b: PortForward): boolean {
  return a.listenPort === b.listenPort && a.port === b.port && sameAddress(a.host, b.host);
}

function sameAddress(a: string, b: string): boolean {
  const [one, other] = [parseAddress(a), parseAddress(b)];
  if ("problem" in one || "problem" in other) return a === b;
  return one.value.family === other.value.family && one.value.network === other.value.network;
}
