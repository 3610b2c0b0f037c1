import { domainToASCII } from "node:url";

import { quoted } from "./display.js";
import type { Parsed } from "./parsed.js";

/**
 * A host name of an egress rule, made comparable: lower case, IDN as A-labels, without the trailing dot. `*` stands for
 * one whole label; `anyDepth` is a leading `**`, which stands for one label or more (never for none: a wildcard
 * does not cover the apex).
 */
export interface HostPattern {
  readonly anyDepth: boolean;
  /** Leftmost first, without the `**`. */
  readonly labels: readonly string[];
}

/** Generous: 253 characters of A-labels can stand for somewhat more before normalization. */
const longestText = 1024;

/** A host name or pattern as written in a rule, or the reason why it is none (RFC 1123, RFC 5890; `_` is let pass). */
export function parseHostPattern(text: string): Parsed<HostPattern> {
  // Before IDNA sees it, whose encoding takes quadratic time.
  if (text.length > longestText)
    return { problem: `${quoted(text)} is longer than a host name can be (253)` };
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  const written = name.split(/[.。．｡]/u);
  const anyDepth = written[0] === "**";
  const labels: string[] = [];
  for (const label of anyDepth ? written.slice(1) : written) {
    const parsed = parseLabel(label, text);
    if ("problem" in parsed) return parsed;
    labels.push(parsed.value);
  }
  if (!anyDepth && labels.join(".") === "*")
    return {
      problem: "`*` stands for one label, so that alone it matches no domain; for every name write `**`",
    };
  if (labels.at(-1) === "*")
    return { problem: `${quoted(text)}: a wildcard cannot stand for the top-level domain` };
  if (/^(\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? ""))
    return { problem: `${quoted(text)} is not an address; write it in dotted form, such as 192.0.2.1` };
  if (labels.join(".").length > 253)
    return { problem: `${quoted(text)} is longer than a host name can be (253)` };
  return { value: { anyDepth, labels } };
}

/** The pattern that matches exactly what both match; undefined where that is nothing. Patterns are closed under this. */
export function intersectHostPatterns(a: HostPattern, b: HostPattern): HostPattern | undefined {
  const [long, short] = a.labels.length >= b.labels.length ? [a, b] : [b, a];
  const extra = long.labels.length - short.labels.length;
  // What is longer stands under the `**` of what is shorter, and a `**` alone needs one label at least.
  if (extra > 0 && !short.anyDepth) return undefined;
  if (extra === 0 && long.anyDepth !== short.anyDepth) return undefined;
  const labels = long.labels.slice(0, extra);
  for (const [index, label] of short.labels.entries()) {
    const met = intersectLabels(long.labels[extra + index] ?? "", label);
    if (met === undefined) return undefined;
    labels.push(met);
  }
  return { anyDepth: long.anyDepth, labels };
}

/** Whether every name that `inner` matches is matched by `outer`. */
export function hostPatternContains(outer: HostPattern, inner: HostPattern): boolean {
  const common = intersectHostPatterns(outer, inner);
  return common !== undefined && formatHostPattern(common) === formatHostPattern(inner);
}

export function formatHostPattern(pattern: HostPattern): string {
  return [...(pattern.anyDepth ? ["**"] : []), ...pattern.labels].join(".");
}

function parseLabel(label: string, text: string): Parsed<string> {
  if (label === "*") return { value: label };
  if (label === "") return { problem: `${quoted(text)} is not a host name: a label is empty` };
  if (label === "**") return { problem: `${quoted(text)}: \`**\` can only be the first label` };
  if (label.includes("*"))
    return {
      problem: `${quoted(text)}: a wildcard stands for one whole label; write the label in full or \`*\` alone`,
    };
  // domainToASCII decodes percent signs: it must not see a label that has no need of it.
  const ascii = /[^\0-\x7f]/.test(label) ? domainToASCII(label) : label.toLowerCase();
  if (!/^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/.test(ascii))
    return { problem: `${quoted(text)} is not a host name: ${quoted(label)} cannot be a label of one` };
  if (ascii.length > 63) return { problem: `${quoted(text)} is not a host name: a label is longer than 63` };
  return { value: ascii };
}

function intersectLabels(a: string, b: string): string | undefined {
  if (a === b || b === "*") return a;
  return a === "*" ? b : undefined;
}
