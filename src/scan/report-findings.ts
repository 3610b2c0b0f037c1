import { createHash } from "node:crypto";
import { z } from "zod";
import { bounded, bounds, count, place, runIdentity, sha256, text } from "./report-bounds.js";

/** From worst to least; the scanner service's words. */
export const severities = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"] as const;
export type Severity = (typeof severities)[number];

/** The registry's categories, as far as a run can show them. */
export const categories = [
  "command_injection",
  "data_exfiltration",
  "unauthorized_tool_use",
  "obfuscation",
  "hardcoded_secrets",
  "resource_abuse",
  "policy_violation",
  "malware",
  "supply_chain_attack",
] as const;
export type Category = (typeof categories)[number];

/** How the bytes of a decoy were spelled where they were found. */
export const encodings = [
  "plain",
  "base64",
  "base64url",
  "base32",
  "hex",
  "url",
  "gzip",
  "deflate",
  "brotli",
  "base85",
  "codes",
  "utf-16",
  "reversed",
  "spread",
  "shifted",
  "xor",
  "dns-labels",
] as const;
export type BaitEncoding = (typeof encodings)[number];

const mark = z.strictObject({
  start: count.meta({ description: "Offset in `text`, in UTF-16 units." }),
  end: count.meta({ description: "Offset behind the last unit." }),
  bait: text(bounds.name).meta({ description: "Which decoy: ~/.aws/credentials, AWS_SECRET_ACCESS_KEY, …" }),
  encoding: z.enum(encodings),
});

export const excerptSchema = z.strictObject({
  text: text(bounds.excerpt).meta({ description: "Bytes that are no UTF-8 as U+DC80 to U+DCFF." }),
  marks: z.array(mark).max(bounds.marks).meta({ description: "Where the decoys are, in order." }),
  cut: count.meta({ description: "Bytes that are not shown." }),
});
export type Excerpt = z.infer<typeof excerptSchema>;

const process = z.strictObject({
  pid: count,
  exe: text(bounds.path),
  argv: z.array(text(bounds.argument)).max(bounds.arguments).optional(),
});

export const evidenceSchema = z.strictObject({
  run: runIdentity,
  seq: count.optional().meta({ description: "Of the event in that run's record." }),
  what: text(bounds.sentence).meta({ description: "In one sentence." }),
  excerpt: excerptSchema.optional(),
  chain: z
    .array(process)
    .max(bounds.chain)
    .meta({ description: "Who did it: the process itself, then its parent, up to the entry point." }),
  place: place.optional().meta({ description: "Where in the skill, as far as the stack tells." }),
});
export type Evidence = z.infer<typeof evidenceSchema>;

const acceptance = {
  reason: text(bounds.sentence),
  expires: z.iso.date().meta({ description: "The last day on which it holds." }),
};

export const findingSchema = z.strictObject({
  id: z
    .string()
    .regex(/^SBX\d{3}-[0-9a-f]{12}$/)
    .meta({
      description: "Rule and beginning of the fingerprint: the same in every scan of the same skill.",
    }),
  ruleId: z.string().regex(/^SBX\d{3}$/),
  severity: z.enum(severities),
  category: z.enum(categories),
  title: text(bounds.name),
  description: text(bounds.paragraph),
  remediation: text(bounds.paragraph),
  place: place.meta({
    description: "A file of the skill: where the evidence points to, else the entry point.",
  }),
  evidence: bounded(evidenceSchema, bounds.evidence),
  fingerprint: sha256,
  status: z.discriminatedUnion("state", [
    z.strictObject({
      state: z.literal("open"),
      expired: z.strictObject(acceptance).optional().meta({ description: "Was accepted until then." }),
    }),
    z.strictObject({ state: z.literal("accepted"), ...acceptance }),
  ]),
});
export type Finding = z.infer<typeof findingSchema>;

/**
 * What makes a finding the same one in the next scan: its rule, the skill's file, and what it is about (a host, a path, a decoy),
 * without anything that changes from run to run such as a pid, a random token or a synthetic address.
 */
export function findingIdentity(
  ruleId: string,
  file: string,
  subject: readonly string[],
): { readonly id: string; readonly fingerprint: string } {
  const fingerprint = createHash("sha256")
    .update(JSON.stringify([ruleId, file, ...subject]))
    .digest("hex");
  return { id: `${ruleId}-${fingerprint.slice(0, 12)}`, fingerprint };
}

/** CRITICAL is at or above HIGH. */
export function isAtLeast(severity: Severity, threshold: Severity): boolean {
  return severities.indexOf(severity) <= severities.indexOf(threshold);
}
