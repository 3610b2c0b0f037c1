import type { Decoy } from "./bait.js";
import { boundedText, bounds } from "./report-bounds.js";
import type { BaitEncoding, Excerpt } from "./report-findings.js";

const around = 400;
/** Shown before a decoy that stands as it is: what it is called, and not the head of a request. */
const before = 60;

/** A stretch of a payload, with the decoy marked where it stands there as it is. */
export function excerptOf(
  data: Buffer,
  decoys: readonly Decoy[],
  encoding: BaitEncoding,
  about: Decoy | undefined,
): Excerpt {
  const found = about === undefined ? -1 : data.indexOf(about.token);
  const start = found < 0 ? bodyOf(data) : Math.max(0, found - before);
  const shown = data.subarray(start, start + 2 * around);
  const text = boundedText(shown.toString("utf8"), bounds.excerpt);
  const marks = decoys
    .flatMap((decoy) => {
      const at = text.indexOf(decoy.token);
      return at < 0
        ? []
        : [{ start: at, end: at + decoy.token.length, bait: decoy.name, encoding: "plain" as const }];
    })
    .toSorted((a, b) => a.start - b.start);
  // Encoded, it is the whole that stands for it.
  const whole =
    marks.length === 0 && about !== undefined && text.length > 0
      ? [{ start: 0, end: text.length, bait: about.name, encoding }]
      : marks;
  return { text, marks: whole.slice(0, bounds.marks), cut: data.length - shown.length };
}

/** Where a request's body begins: encoded, the decoy is more often there than in the head, which is long. */
function bodyOf(data: Buffer): number {
  const end = data.indexOf("\n\n");
  return end < 0 || end + 2 >= data.length ? 0 : end + 2;
}
