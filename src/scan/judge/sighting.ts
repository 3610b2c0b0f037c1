import type { RecordedEvent } from "../../audit/read-event.js";
import type { Exercise } from "../exercise.js";
import type { Excerpt, Severity } from "../report-findings.js";
import type { RuleId } from "../rules.js";

/** Something that a rule is about, seen in one run. Sightings of the same thing become one finding. */
export interface Sighting {
  readonly rule: RuleId;
  /** What it is about, the same in every scan: a host, a path, a decoy. */
  readonly subject: readonly string[];
  /** In one sentence. */
  readonly what: string;
  readonly event?: RecordedEvent | undefined;
  readonly excerpt?: Excerpt | undefined;
  /** Where that differs from the rule's. */
  readonly severity?: Severity | undefined;
  readonly place?: { readonly file: string; readonly line: number } | undefined;
}

/** Where the harness saw it done. */
export function placeOf(
  { notes }: Exercise,
  what: string,
  matches: (more: Readonly<Record<string, unknown>>) => boolean,
): Sighting["place"] {
  return notes.find((note) => note.what === what && note.place !== undefined && matches(note.more))?.place;
}
