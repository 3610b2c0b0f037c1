import { join, relative } from "node:path";
import { EgressRules } from "../egress/rules.js";
import type { Narrowed } from "../policy/narrow.js";
import { pathContains } from "../policy/paths.js";
import type { Skill } from "../skill/skill.js";
import type { Seen } from "./findings.js";
import type { Drift } from "./scan-report.js";
import type { Observation } from "./scan.js";

/** What was declared, against what was seen. */
export function driftOf(
  skill: Skill,
  { policy, refused }: Narrowed,
  observations: readonly Observation[],
): { readonly items: readonly Drift[]; readonly seen: readonly Seen[] } {
  const items = new Map<string, Drift>();
  const seen: Seen[] = [];
  const file = skill.policy.source === "none" ? "SKILL.md" : skill.policy.file;
  const add = (state: Drift["state"], capability: Drift["capability"], subject: string): void => {
    items.set(`${capability} ${subject}`, { state, capability, subject, evidence: [] });
  };
  const used = new Set<string>();
  const rules = new EgressRules(policy.network);
  for (const { exercise, acts } of observations) {
    for (const { name, address, port, event } of acts.connects) {
      const host = name ?? address ?? "";
      const decision =
        name === undefined
          ? rules.judgeAddress({ address: host, port, protocol: "tcp" })
          : rules.judgeConnection({ name, port, protocol: "tcp" });
      const isDeclared = decision.verdict === "allow";
      add(isDeclared ? "MATCH" : "UNDER_DECLARED", "network.egress", `${host}:${port}`);
      if (isDeclared) used.add(decision.rule);
      else {
        const what = `connected to ${host}:${port}, which the policy does not name`;
        seen.push({ rule: "SBX701", file, subject: [`${host}:${port}`], what, event, exercise });
      }
    }
    for (const { access, path, event } of acts.files) {
      if (!["create", "write", "delete", "rename"].includes(access)) continue;
      if (!pathContains(exercise.cwd, path) || path.includes("__pycache__")) continue;
      const { write, overlay } = policy.filesystem;
      const subject = relative(exercise.cwd, path);
      const onHost = join(skill.directory, subject);
      const grant = [...write, ...overlay].find((each) => pathContains(each.path, onHost));
      add(grant === undefined ? "UNDER_DECLARED" : "MATCH", "filesystem.write", subject);
      if (grant !== undefined) used.add(grant.path);
      else {
        const what = `${access} ${subject}, which the policy does not let it write`;
        seen.push({ rule: "SBX701", file, subject: [subject], what, event, exercise });
      }
    }
  }
  for (const [index, rule] of policy.network.egress.entries()) {
    const label = rule.origin === undefined ? `egress[${index}]` : undefined;
    const isUsed = [...used].some(
      (each) => each === label || each === `${rule.origin?.file}:${rule.origin?.line}:${rule.origin?.column}`,
    );
    if (rule.to.includes("**") || rule.to.includes("0.0.0.0/0") || rule.to.includes("::/0"))
      seen.push({ rule: "SBX702", file, subject: rule.to, what: `asks for ${rule.to.join(", ")}` });
    if (isUsed) continue;
    add("OVER_DECLARED", "network.egress", rule.to.join(", "));
    seen.push({ rule: "SBX704", file, subject: rule.to, what: `no run used ${rule.to.join(", ")}` });
  }
  for (const grant of [...policy.filesystem.write, ...policy.filesystem.overlay]) {
    if (used.has(grant.path) || grant.path === skill.directory) continue;
    add("OVER_DECLARED", "filesystem.write", grant.written);
    seen.push({ rule: "SBX704", file, subject: [grant.written], what: `no run wrote to ${grant.written}` });
  }
  for (const { subject, asked, reason } of refused)
    seen.push({ rule: "SBX705", file, subject: [subject, asked], what: `${subject}: ${asked}: ${reason}` });
  if (skill.policy.source === "none" && observations.length > 0)
    seen.push({ rule: "SBX703", file, subject: [], what: "SKILL.md names no security_policy" });
  return { items: [...items.values()], seen };
}
