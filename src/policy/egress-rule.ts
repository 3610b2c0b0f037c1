import { type Cidr, cidrContains, cidrsOverlap, parseCidr } from "./cidr.js";
import { type Destination, parseDestination } from "./destination.js";
import { formatHostPattern, hostPatternContains, intersectHostPatterns } from "./host-pattern.js";
import type { EgressRule } from "./policy.js";
import { formatPorts, intersectPorts, portsContain } from "./port-set.js";

/** An egress rule with its texts parsed, for comparing it with others. */
export interface ComparableRule {
  readonly rule: EgressRule;
  readonly to: readonly WrittenDestination[];
  readonly except: readonly WrittenCidr[];
}

export interface WrittenDestination {
  readonly written: string;
  readonly destination: Destination;
  /** The prefix by which special addresses in it count as named; 0 for a host name. */
  readonly namedFrom: number;
}

export interface WrittenCidr {
  readonly written: string;
  readonly cidr: Cidr;
}

/**
 * Policies are checked when they are read. What is not well formed here all the same (a Policy put together by hand)
 * matches nothing as a destination; as an exception it would widen the rule, which therefore loses its destinations.
 */
export function comparable(rule: EgressRule): ComparableRule {
  const except: WrittenCidr[] = [];
  let sound = true;
  for (const written of rule.except) {
    const parsed = parseCidr(written);
    if ("problem" in parsed) sound = false;
    else except.push({ written, cidr: parsed.value });
  }
  const to: WrittenDestination[] = [];
  for (const written of sound ? rule.to : []) {
    const parsed = parseDestination(written);
    if ("value" in parsed) to.push(writtenAs(written, parsed.value, rule.namedFrom?.[written]));
  }
  return { rule, to, except };
}

/**
 * Whether `outer` allows everything that `inner` does. Cautious in one respect: what several destinations of `outer`
 * cover only together is not found.
 */
export function ruleContains(outer: ComparableRule, inner: ComparableRule): boolean {
  if (inner.to.length < inner.rule.to.length || !portsContain(outer.rule.ports, inner.rule.ports))
    return false;
  return inner.to.every(
    ({ destination }) =>
      outer.to.some((other) => destinationContains(other.destination, destination)) &&
      // A hole of the outer rule must be a hole of the inner one, where the destination is not cut out whole anyway.
      outer.except.every(
        (hole) =>
          !overlaps(hole.cidr, destination) ||
          inner.except.some((own) => cidrContains(own.cidr, hole.cidr) || covers(own.cidr, destination)),
      ),
  );
}

/**
 * The rule that allows exactly what both allow, undefined where that is nothing. Spellings and origin are those of `asked`
 * as far as they fit.
 */
export function intersectRules(asked: ComparableRule, allowed: ComparableRule): ComparableRule | undefined {
  const ports = intersectPorts(asked.rule.ports, allowed.rule.ports);
  if (ports === undefined) return undefined;
  const to: WrittenDestination[] = [];
  for (const one of asked.to)
    for (const other of allowed.to) {
      const met = intersectDestinations(one, other);
      if (met === undefined || allowed.except.some((hole) => covers(hole.cidr, met.destination))) continue;
      const same = to.findIndex(({ written }) => written === met.written);
      if ((to[same]?.namedFrom ?? met.namedFrom) < met.namedFrom) to[same] = met;
      const isCovered = to.some(
        (known) =>
          known.namedFrom >= met.namedFrom && destinationContains(known.destination, met.destination),
      );
      if (!isCovered) to.push(met);
    }
  if (to.length === 0) return undefined;
  const holes = [...asked.except, ...allowed.except];
  const except = holes.filter(
    ({ written, cidr }, index) =>
      holes.findIndex((other) => other.written === written) === index &&
      to.some(({ destination }) => overlaps(cidr, destination)),
  );
  const rule = { ...asked.rule, to: to.map(writtenOf), except: except.map(writtenOf), ports };
  return named({ rule, to, except });
}

/**
 * A rule that lies within `outer`, its special addresses named no better than there: in a ceiling 0.0.0.0/0 means the
 * Internet, and a request for 10.0.0.0/8 below it does not make that the host's own network.
 */
export function namedBy(outer: ComparableRule, inner: ComparableRule): ComparableRule {
  const to = inner.to.map((entry) => {
    const around = outer.to.filter((other) => destinationContains(other.destination, entry.destination));
    const best = Math.max(0, ...around.map(({ namedFrom }) => namedFrom));
    return { ...entry, namedFrom: Math.min(entry.namedFrom, best) };
  });
  return named({ ...inner, to });
}

/** Whether special addresses are named by `outer` at least as well as by `inner`, which lies within it. */
export function namesAsWell(outer: ComparableRule, inner: ComparableRule): boolean {
  const most = namedBy(outer, inner);
  return inner.to.every(({ namedFrom }, index) => namedFrom <= (most.to[index]?.namedFrom ?? 0));
}

/** The rule says itself where a destination counts as a wider one. */
function named({ rule: { namedFrom: _, ...rule }, to, except }: ComparableRule): ComparableRule {
  const wider = to.filter(({ destination, namedFrom }) => namedFrom < ownPrefix(destination));
  if (wider.length === 0) return { rule, to, except };
  const namedFrom = Object.fromEntries(wider.map((entry) => [entry.written, entry.namedFrom]));
  return { rule: { ...rule, namedFrom }, to, except };
}

function writtenAs(written: string, destination: Destination, namedFrom = Infinity): WrittenDestination {
  return { written, destination, namedFrom: Math.min(namedFrom, ownPrefix(destination)) };
}

function ownPrefix(destination: Destination): number {
  return destination.kind === "name" ? 0 : destination.cidr.prefix;
}

/** The rule for one of its destinations alone. */
export function only(rule: ComparableRule, destination: WrittenDestination): ComparableRule {
  const except = rule.except.filter(({ cidr }) => overlaps(cidr, destination.destination));
  return {
    rule: { ...rule.rule, to: [destination.written], except: except.map(writtenOf) },
    to: [destination],
    except,
  };
}

/** Same text, origins aside. */
export function sameRule(a: EgressRule, b: EgressRule): boolean {
  return JSON.stringify([a.to, a.except, a.ports]) === JSON.stringify([b.to, b.except, b.ports]);
}

/** "10.1.0.0/16 except 10.1.9.0/24 on 443, 8000-8100". */
export function ruleText(rule: EgressRule): string {
  const except = rule.except.length === 0 ? "" : ` except ${rule.except.join(", ")}`;
  return `${rule.to.join(", ")}${except} on ${formatPorts(rule.ports)}`;
}

/** In the spelling of whichever of the two is the narrower. A name is never inside a CIDR, whatever it resolves to. */
function intersectDestinations(a: WrittenDestination, b: WrittenDestination): WrittenDestination | undefined {
  const namedFrom = Math.min(a.namedFrom, b.namedFrom);
  if (destinationContains(b.destination, a.destination)) return { ...a, namedFrom };
  if (destinationContains(a.destination, b.destination)) return { ...b, namedFrom };
  if (a.destination.kind !== "name" || b.destination.kind !== "name") return undefined;
  const pattern = intersectHostPatterns(a.destination.pattern, b.destination.pattern);
  if (pattern === undefined) return undefined;
  return writtenAs(formatHostPattern(pattern), { kind: "name", pattern });
}

function destinationContains(outer: Destination, inner: Destination): boolean {
  if (outer.kind === "name")
    return inner.kind === "name" && hostPatternContains(outer.pattern, inner.pattern);
  return inner.kind !== "name" && cidrContains(outer.cidr, inner.cidr);
}

function covers(hole: Cidr, destination: Destination): boolean {
  return destination.kind !== "name" && cidrContains(hole, destination.cidr);
}

function overlaps(hole: Cidr, destination: Destination): boolean {
  return destination.kind !== "name" && cidrsOverlap(hole, destination.cidr);
}

function writtenOf({ written }: { readonly written: string }): string {
  return written;
}
