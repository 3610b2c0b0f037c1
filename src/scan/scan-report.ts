import { z } from "zod";
import { bounded, bounds, count, place, runIdentity, sha256, text } from "./report-bounds.js";
import {
  evidenceSchema,
  findingSchema,
  isAtLeast,
  severities,
  type Finding,
  type Severity,
} from "./report-findings.js";
import { observedSchema } from "./report-observed.js";

/**
 * What `skillbox scan --runtime` found out, version 1: every other format is made from it. Fields may be added as long as `v` is 1;
 * those here keep their names and meanings. Strings are the skill's own, hostile until proven otherwise.
 */

/** `.skillhub/metadata.json` of an installed skill. */
const registry = z.strictObject({
  registry: text(bounds.name),
  namespace: text(bounds.name),
  slug: text(bounds.name),
  version: text(bounds.name),
  versionId: text(64),
  verified: z.boolean().meta({ description: "Every file has the digest that the registry gave it." }),
  differing: bounded(text(bounds.path), bounds.notices),
});

const skill = z.strictObject({
  name: text(bounds.name),
  version: text(bounds.name).optional(),
  description: text(bounds.paragraph).optional(),
  directory: text(bounds.path).meta({ description: "As the caller named it." }),
  sha256: sha256.meta({ description: "Over the paths and digests of all files." }),
  files: bounded(z.strictObject({ path: text(bounds.path), bytes: count, sha256 }), bounds.skillFiles),
  registry: registry.optional(),
});

/** Where a policy stands: SCAN.md's places, first hit wins. */
export const policySources = [
  "operator",
  "built-in",
  "metadata-file",
  "metadata-text",
  "top-level",
  "none",
] as const;

const policyText = z.strictObject({
  source: z.enum(policySources),
  place: place.optional(),
  sha256: sha256.optional(),
  text: text(bounds.policyText).optional().meta({ description: "As YAML." }),
});

const policy = z.strictObject({
  ceiling: policyText,
  declared: policyText.meta({ description: "What the skill asks for." }),
  effective: policyText.omit({ source: true, place: true }).meta({
    description: "The intersection: what its runs are judged by.",
  }),
  suggested: text(bounds.policyText).optional().meta({
    description: "The smallest policy under which the observed runs pass, as YAML.",
  }),
});

export const phases = ["install", "main", "import", "function", "command"] as const;
export type Phase = (typeof phases)[number];

/** `not-started`: the sandbox or the interpreter could not be had. */
export const scanOutcomes = [
  "exited",
  "signaled",
  "timed-out",
  "out-of-memory",
  "output-limit",
  "killed",
  "not-started",
] as const;

/** What stands for an entry point: a script, a function in it, a documented command. */
const entry = place.extend({ name: text(bounds.name).optional() });

const run = z.strictObject({
  id: runIdentity,
  phase: z.enum(phases),
  entry,
  argv: z.array(text(bounds.argument)).max(bounds.arguments),
  outcome: z.enum(scanOutcomes),
  limit: text(32).optional().meta({ description: "The limit that ended it." }),
  exitCode: z.int().optional(),
  signal: text(32).optional(),
  startedAt: z.iso.datetime(),
  durationMs: z.number().nonnegative(),
  record: z
    .strictObject({ file: text(bounds.path), sha256, events: count, denied: count, dropped: count })
    .optional()
    .meta({ description: "Its audit record." }),
});
export type ScanRun = z.infer<typeof run>;

export const capabilities = [
  "filesystem.read",
  "filesystem.write",
  "filesystem.overlay",
  "network.egress",
  "network.publish",
  "network.unixSockets",
  "environment",
  "resources",
] as const;
export const driftStates = ["MATCH", "UNDER_DECLARED", "OVER_DECLARED"] as const;

const drift = z.strictObject({
  state: z.enum(driftStates),
  capability: z.enum(capabilities),
  subject: text(bounds.path).meta({ description: "A path, a host with its port, a variable, a limit." }),
  declaredAt: place.optional(),
  evidence: z.array(evidenceSchema).max(4),
});
export type Drift = z.infer<typeof drift>;

export const incompleteReasons = [
  "timed-out",
  "crashed",
  "missing-interpreter",
  "missing-dependency",
  "limit",
  "not-started",
  "cancelled",
  "unsupported",
  "record-lost",
  "too-many",
] as const;

const coverage = z.strictObject({
  entryPoints: count.meta({ description: "N: how many were found." }),
  exercised: count.meta({ description: "M of them ran to an end of their own." }),
  entries: bounded(
    z.strictObject({
      phase: z.enum(phases),
      entry,
      state: z.enum(["exercised", "incomplete"]),
      reason: z.enum(incompleteReasons).optional(),
      detail: text(bounds.sentence).optional(),
      run: runIdentity.optional(),
    }),
    bounds.entryPoints,
  ),
});

export const verdicts = ["clean", "findings", "incomplete"] as const;

export const scanReportSchema = z.strictObject({
  v: z.literal(1),
  scanId: z.uuid(),
  skillbox: text(64).meta({ description: "Version of skillbox." }),
  startedAt: z.iso.datetime(),
  durationMs: z.number().nonnegative(),
  skill,
  policy,
  runs: bounded(run, bounds.runs),
  findings: bounded(findingSchema, bounds.findings).meta({ description: "Worst first." }),
  drift: bounded(drift, bounds.drift),
  observed: observedSchema,
  coverage,
  notices: bounded(text(bounds.sentence), bounds.notices).meta({
    description: "What the author or the operator should know, and is no finding.",
  }),
  failOn: z.enum(severities),
  verdict: z.enum(verdicts).meta({
    description:
      "findings: an open finding at or above `failOn`, or findings were cut. incomplete: none, but something could not be exercised. " +
      "clean: everything found was exercised; a skill without code is clean with 0 entry points, and nothing was executed.",
  }),
});
export type ScanReport = z.infer<typeof scanReportSchema>;
export type ScanVerdict = ScanReport["verdict"];

/** See `verdict`. Incomplete is never clean. */
export function verdictOf(report: Pick<ScanReport, "findings" | "coverage">, failOn: Severity): ScanVerdict {
  const { cut, items } = report.findings;
  if (cut > 0 || openFindings(items).some((finding) => isAtLeast(finding.severity, failOn)))
    return "findings";
  const { entryPoints, exercised, entries } = report.coverage;
  return exercised < entryPoints || entries.items.some(({ state }) => state === "incomplete")
    ? "incomplete"
    : "clean";
}

/** Those that nobody has accepted. */
export function openFindings(findings: readonly Finding[]): Finding[] {
  return findings.filter((finding) => finding.status.state === "open");
}
