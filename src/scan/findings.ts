import { textOf, listOf, type RecordedEvent } from "../audit/read-event.js";
import { type Baseline, statusOf } from "./baseline.js";
import type { Exercise } from "./exercise.js";
import type { Sighting } from "./judge/sighting.js";
import { boundedList, boundedText, bounds } from "./report-bounds.js";
import { type Evidence, type Finding, findingIdentity, severities } from "./report-findings.js";
import { rules } from "./rules.js";

/** A sighting with the run that it is of; none for what the folder shows by itself. */
export interface Seen extends Sighting {
  readonly exercise?: Exercise | undefined;
  /** A file of the skill. */
  readonly file: string;
}

/** Sightings of the same thing in the same file are one finding. Worst first. */
export function findingsOf(seen: readonly Seen[], baseline: Baseline | undefined): readonly Finding[] {
  const groups = new Map<string, Seen[]>();
  for (const sighting of seen) {
    const { id } = findingIdentity(sighting.rule, sighting.file, sighting.subject);
    groups.set(id, [...(groups.get(id) ?? []), sighting]);
  }
  return [...groups.values()]
    .flatMap((group) => {
      const [first] = group;
      return first === undefined ? [] : [findingOf(first, group, baseline)];
    })
    .toSorted((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
}

function findingOf(first: Seen, group: readonly Seen[], baseline: Baseline | undefined): Finding {
  const rule = rules[first.rule];
  const identity = findingIdentity(first.rule, first.file, first.subject);
  const place = group.find((each) => each.place !== undefined)?.place ?? { file: first.file };
  return {
    ...identity,
    ruleId: first.rule,
    severity: first.severity ?? rule.severity,
    category: rule.category,
    title: boundedText(
      [rule.title, first.subject.join(", ")].filter((part) => part !== "").join(": "),
      bounds.name,
    ),
    description: rule.description,
    remediation: rule.remediation,
    place: { ...place, file: boundedText(place.file, bounds.path) },
    evidence: boundedList(group.flatMap(evidenceOf), bounds.evidence),
    status: statusOf(identity.id, baseline, new Date()),
  };
}

function evidenceOf({ exercise, event, what, excerpt, place }: Seen): readonly Evidence[] {
  return [
    {
      run: exercise?.id ?? "inventory",
      ...(event === undefined ? {} : { seq: event.seq }),
      what: boundedText(what, bounds.sentence),
      ...(excerpt === undefined ? {} : { excerpt }),
      chain: event === undefined || exercise === undefined ? [] : chainOf(event, exercise.events),
      ...(place === undefined ? {} : { place }),
    },
  ];
}

/** The process, its parent, and so on. */
function chainOf(event: RecordedEvent, events: readonly RecordedEvent[]): Evidence["chain"] {
  const chain: Evidence["chain"] = [];
  let pid = event.pid;
  while (
    pid !== undefined &&
    pid > 1 &&
    chain.length < bounds.chain &&
    !chain.some((each) => each.pid === pid)
  ) {
    const own = events.filter((each) => each.pid === pid);
    const exec = own.findLast(({ type, seq }) => type === "process.exec" && seq <= event.seq);
    const argv = exec === undefined ? [] : listOf(exec.args["argv"], textOf);
    chain.push({
      pid,
      exe: boundedText(own.at(-1)?.exe ?? "", bounds.path),
      ...(argv.length === 0
        ? {}
        : { argv: argv.slice(0, bounds.arguments).map((part) => boundedText(part, bounds.argument)) }),
    });
    pid = own[0]?.ppid;
  }
  return chain;
}
