import type { Rule } from "./rule-catalogue/rule.js";
import { codeRules } from "./rule-catalogue/code.js";
import { hostRules } from "./rule-catalogue/host.js";
import { networkRules } from "./rule-catalogue/network.js";
import { policyRules } from "./rule-catalogue/policy.js";
import { secretsRules } from "./rule-catalogue/secrets.js";

/** Everything that a scan can find, by id. */
export const rules = { ...secretsRules, ...codeRules, ...hostRules, ...networkRules, ...policyRules };
export type RuleId = keyof typeof rules;

/** In the order of the catalogue. */
export const ruleList: readonly (readonly [id: string, rule: Rule])[] = Object.entries(rules);

/** Undefined for an id of a newer skillbox. */
export function ruleOf(id: string): Rule | undefined {
  return ruleList.find(([known]) => known === id)?.[1];
}
