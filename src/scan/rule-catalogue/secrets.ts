import type { Rule } from "./rule.js";

/** Secrets and data that leave: what decoys and the sinkhole show. */
export const secretsRules = {
  SBX101: {
    name: "baitLeft",
    severity: "CRITICAL",
    securitySeverity: "9.8",
    category: "data_exfiltration",
    title: "A credential was sent out",
    description:
      "Bytes of a decoy credential were in what the skill sent over the network, plain or encoded.",
    remediation:
      "Do not install it. Remove the code that reads and sends credentials; take secrets from the caller by name, and send them only where the policy says.",
    skillSpector: ["TT3", "PE3", "E1"],
  },
  SBX102: {
    name: "dnsTunnel",
    severity: "HIGH",
    securitySeverity: "8.6",
    category: "data_exfiltration",
    title: "Data was carried in DNS names",
    description:
      "The skill looked up names whose labels carry data, many or long or random ones below one domain.",
    remediation:
      "Remove it: DNS lookups that carry data pass every firewall that lets names be resolved. Use a declared HTTPS API.",
    skillSpector: ["E1"],
  },
  SBX103: {
    name: "sentUndeclared",
    severity: "HIGH",
    securitySeverity: "7.8",
    category: "data_exfiltration",
    title: "Data was sent to an undeclared destination",
    description: "The skill sent a payload to a host that its policy does not name.",
    remediation:
      "Name the host and the port in security_policy under network.egress, or remove the transmission.",
    skillSpector: ["E1", "LP1"],
  },
  SBX104: {
    name: "fileToNetwork",
    severity: "HIGH",
    securitySeverity: "8.2",
    category: "data_exfiltration",
    title: "Contents of a file were sent out",
    description: "Bytes of a file that the skill read outside its own folder were in what it sent.",
    remediation: "Send only what the user asked for, to a declared host, and say so in SKILL.md.",
    skillSpector: ["TT4", "E1"],
  },
  SBX105: {
    name: "slowDrip",
    severity: "CRITICAL",
    securitySeverity: "9.5",
    category: "data_exfiltration",
    title: "A credential was sent out in pieces",
    description: "Pieces of one decoy credential were spread over several requests or lookups.",
    remediation: "Do not install it. There is no honest reason to split a credential over requests.",
    skillSpector: ["TT3", "E1"],
  },
  SBX201: {
    name: "credentialRead",
    severity: "HIGH",
    securitySeverity: "8.4",
    category: "data_exfiltration",
    title: "A credential file was opened",
    description:
      "The skill opened a file that holds credentials (cloud, ssh, netrc, npm, kube, git, browser).",
    remediation:
      "Ask the user for the one secret that is needed, by an environment variable that security_policy names.",
    skillSpector: ["PE3"],
  },
  SBX202: {
    name: "environmentHarvest",
    severity: "HIGH",
    securitySeverity: "7.5",
    category: "data_exfiltration",
    title: "The environment was harvested",
    description:
      "The skill read the whole environment of a process, or printed, stored or sent decoy variables that nobody had given it.",
    remediation:
      "Read the variables that are needed by name, and list them in security_policy under environment.pass.",
    skillSpector: ["E2"],
  },
  SBX203: {
    name: "fileEnumeration",
    severity: "MEDIUM",
    securitySeverity: "5.5",
    category: "data_exfiltration",
    title: "The home directory was searched",
    description:
      "The skill listed many directories outside its own folder, or looked for files that hold secrets.",
    remediation: "Work on the paths that the user names.",
    skillSpector: ["E3"],
  },
  SBX204: {
    name: "metadataService",
    severity: "CRITICAL",
    securitySeverity: "9.1",
    category: "data_exfiltration",
    title: "The cloud metadata service was asked",
    description: "The skill reached for the address that hands out the machine's cloud credentials.",
    remediation: "Remove it. Take credentials from the caller.",
    skillSpector: ["PE3", "E1"],
  },
} as const satisfies Record<string, Rule>;
