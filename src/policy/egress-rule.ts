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
    if ("value" in parsed) to.push({ written, destination: parsed.value });
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
      if (!to.some((known) => destinationContains(known.destination, met.destination))) to.push(met);
    }
  if (to.length === 0) return undefined;
  const holes = [...asked.except, ...allowed.except];
  const except = holes.filter(
    ({ written, cidr }, index) =>
      holes.findIndex((other) => other.written === written) === index &&
      to.some(({ destination }) => overlaps(cidr, destination)),
  );
  const rule = { ...asked.rule, to: to.map(writtenOf), except: except.map(writtenOf), ports };
  return { rule, to, except };
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
  if (destinationContains(b.destination, a.destination)) return a;
  if (destinationContains(a.destination, b.destination)) return b;
  if (a.destination.kind !== "name" || b.destination.kind !== "name") return undefined;
  const pattern = intersectHostPatterns(a.destination.pattern, b.destination.pattern);
  if (pattern === undefined) return undefined;
  return { written: formatHostPattern(pattern), destination: { kind: "name", pattern } };
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
