import { createHash } from "node:crypto";
import { stringify } from "yaml";
import type { Policy } from "../policy/policy.js";
import type { Skill } from "../skill/skill.js";
import { boundedText, bounds } from "./report-bounds.js";
import type { ScanReport } from "./scan-report.js";

/** What was asked for, what the operator gives, and what comes of both. */
export function policyPart(
  skill: Skill,
  ceiling: Policy | undefined,
  effective: Policy,
  suggested: string,
): ScanReport["policy"] {
  const declared = skill.policy;
  const text = boundedText(stringify(plain(effective)), bounds.policyText);
  return {
    ceiling: { source: ceiling === undefined ? "built-in" : "operator" },
    declared:
      declared.source === "none"
        ? { source: "none" }
        : {
            source: declared.source,
            place: { file: declared.file },
            sha256: createHash("sha256").update(declared.text).digest("hex"),
            text: boundedText(declared.text, bounds.policyText),
          },
    effective: { text, sha256: createHash("sha256").update(text).digest("hex") },
    suggested: boundedText(suggested, bounds.policyText),
  };
}

/** Without where things were written. */
function plain(policy: Policy): unknown {
  return JSON.parse(JSON.stringify(policy, (key, value: unknown) => (key === "origin" ? undefined : value)));
}
