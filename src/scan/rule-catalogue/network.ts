import type { Rule } from "./rule.js";

/** Whom it reached for. */
export const networkRules = {
  SBX601: {
    name: "undeclaredHost",
    severity: "MEDIUM",
    securitySeverity: "6.0",
    category: "policy_violation",
    title: "An undeclared host was contacted",
    description: "The skill looked up or connected to a host that its policy does not name.",
    remediation: "Name the host and the port in security_policy under network.egress, or remove the access.",
    skillSpector: ["E1", "LP1"],
  },
  SBX602: {
    name: "literalAddress",
    severity: "MEDIUM",
    securitySeverity: "6.5",
    category: "malware",
    title: "It connected to a bare address",
    description:
      "The skill connected to an address without having looked up a name, or to a port that no declared service uses.",
    remediation: "Use a host name, and declare it.",
    skillSpector: ["E1"],
  },
  SBX603: {
    name: "privateNetwork",
    severity: "HIGH",
    securitySeverity: "7.6",
    category: "data_exfiltration",
    title: "It reached for the local network",
    description: "The skill connected to private or link-local addresses.",
    remediation: "Remove it, or declare the very address.",
    skillSpector: ["E1"],
  },
  SBX604: {
    name: "listens",
    severity: "MEDIUM",
    securitySeverity: "5.4",
    category: "unauthorized_tool_use",
    title: "It waits for connections",
    description: "The skill listened on a port beyond 127.0.0.1, or one that its policy does not publish.",
    remediation: "Listen on 127.0.0.1; declare the port under network.publish.",
    skillSpector: ["LP1"],
  },
  SBX605: {
    name: "hostSocket",
    severity: "HIGH",
    securitySeverity: "8.8",
    category: "unauthorized_tool_use",
    title: "It reached for a socket of the host",
    description:
      "The skill tried to connect to a control socket of the host (Docker, ssh-agent, D-Bus, systemd).",
    remediation: "Remove it.",
    skillSpector: [],
  },
} as const satisfies Record<string, Rule>;
