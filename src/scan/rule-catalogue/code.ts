import type { Rule } from "./rule.js";

/** Code that was not in the skill when it was reviewed, or that hides what it does. */
export const codeRules = {
  SBX301: {
    name: "fetchAndRun",
    severity: "CRITICAL",
    securitySeverity: "9.6",
    category: "supply_chain_attack",
    title: "Fetched code was run",
    description: "The skill executed what it had fetched from the network a moment before.",
    remediation: "Ship the code with the skill, or install a pinned version with its digest checked.",
    skillSpector: ["SC2"],
  },
  SBX302: {
    name: "decodedCode",
    severity: "HIGH",
    securitySeverity: "7.9",
    category: "obfuscation",
    title: "Encoded code was decoded and run",
    description: "The skill ran code that it first had decoded (base64, hex, compressed, marshalled).",
    remediation: "Ship the code as it is, so that it can be reviewed.",
    skillSpector: [],
  },
  SBX303: {
    name: "undeclaredProgram",
    severity: "MEDIUM",
    securitySeverity: "5.0",
    category: "command_injection",
    title: "Another program was started",
    description: "The skill started a program or a shell that is not its interpreter.",
    remediation:
      "Call the library instead of the shell, pass arguments as a list, and document the programs that are needed.",
    skillSpector: ["AST4", "AST5"],
  },
  SBX304: {
    name: "droppedProgram",
    severity: "HIGH",
    securitySeverity: "8.3",
    category: "malware",
    title: "A file was written and then run",
    description: "The skill wrote a program and started it.",
    remediation: "Ship the program with the skill.",
    skillSpector: ["SC2", "AST4"],
  },
  SBX305: {
    name: "nativeCode",
    severity: "MEDIUM",
    securitySeverity: "6.2",
    category: "obfuscation",
    title: "Native code was loaded or called directly",
    description:
      "The skill loaded a library that is no part of its interpreter, or made system calls past it (ctypes, ffi).",
    remediation:
      "Use the interpreter's own functions; where native code is needed, install it as a declared dependency.",
    skillSpector: [],
  },
  SBX306: {
    name: "installHook",
    severity: "HIGH",
    securitySeverity: "7.4",
    category: "supply_chain_attack",
    title: "An install hook acted",
    description:
      "Installing the skill or its package ran a hook that used the network, started programs or wrote outside the package.",
    remediation: "Remove the hook; let the user run a documented command.",
    skillSpector: ["SC2"],
  },
  SBX307: {
    name: "reverseShell",
    severity: "CRITICAL",
    securitySeverity: "9.9",
    category: "malware",
    title: "A shell was given to a remote host",
    description: "The skill started a shell with its input and output on a network connection.",
    remediation: "Do not install it.",
    skillSpector: ["AST4", "E1"],
  },
  SBX308: {
    name: "hiddenTrigger",
    severity: "HIGH",
    securitySeverity: "8.0",
    category: "malware",
    title: "Something hidden happened under a special condition",
    description:
      "The skill behaved differently with certain arguments, at a certain time or on a certain host, and did what it does not do otherwise.",
    remediation: "Remove the condition, or document what it is for.",
    skillSpector: [],
  },
  SBX309: {
    name: "longDelay",
    severity: "MEDIUM",
    securitySeverity: "4.5",
    category: "malware",
    title: "It waited before it acted",
    description:
      "The skill slept long before it used the network, files or programs, as code does that wants to outlast a scan.",
    remediation: "Remove the delay.",
    skillSpector: [],
  },
} as const satisfies Record<string, Rule>;
