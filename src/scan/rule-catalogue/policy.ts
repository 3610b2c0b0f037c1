import type { Rule } from "./rule.js";

/** What the skill says of itself, against what it did. */
export const policyRules = {
  SBX701: {
    name: "underDeclared",
    severity: "MEDIUM",
    securitySeverity: "5.0",
    category: "policy_violation",
    title: "It did what it had not declared",
    description: "The skill used a file, host or variable that its security_policy does not ask for.",
    remediation:
      "Add it to security_policy (`--suggest-policy` writes the smallest one), or remove the access.",
    skillSpector: ["LP1"],
  },
  SBX702: {
    name: "wildcard",
    severity: "MEDIUM",
    securitySeverity: "4.2",
    category: "policy_violation",
    title: "The policy asks for everything",
    description: "The security_policy names every host, every port or the whole file system.",
    remediation: "Name what is needed.",
    skillSpector: ["LP2"],
  },
  SBX703: {
    name: "missingPolicy",
    severity: "LOW",
    securitySeverity: "3.0",
    category: "policy_violation",
    title: "No security_policy",
    description: "The skill has code and no security_policy: it gets nothing.",
    remediation:
      "Ship a security_policy.yaml, and name it in SKILL.md under metadata.security_policy; `--suggest-policy` writes one.",
    skillSpector: ["LP3"],
  },
  SBX704: {
    name: "overDeclared",
    severity: "LOW",
    securitySeverity: "2.5",
    category: "policy_violation",
    title: "It asks for what it never used",
    description: "No run used a capability that the security_policy asks for.",
    remediation: "Remove it from security_policy, if no other use needs it.",
    skillSpector: ["LP4"],
  },
  SBX705: {
    name: "beyondCeiling",
    severity: "LOW",
    securitySeverity: "2.0",
    category: "policy_violation",
    title: "It asks for more than the operator gives",
    description: "The security_policy asks for what the ceiling does not allow; the skill does not get it.",
    remediation: "Ask for less, or let the operator raise the ceiling.",
    skillSpector: [],
  },
  SBX706: {
    name: "notAsPublished",
    severity: "HIGH",
    securitySeverity: "8.1",
    category: "supply_chain_attack",
    title: "Files differ from what the registry published",
    description: "The digests in .skillhub/metadata.json do not fit the files.",
    remediation: "Install the skill again from the registry.",
    skillSpector: ["SC2"],
  },
} as const satisfies Record<string, Rule>;
