import type { PolicyOptions } from "./exec-options.js";

export interface ExecOptions extends PolicyOptions {
  readonly report?: string | undefined;
  readonly audit?: string | undefined;
  readonly commit?: boolean | undefined;
  readonly explain?: boolean | undefined;
  readonly tty?: boolean | undefined;
}

/** An option of `skillbox exec`, as commander is told of it. A list may be given several times. */
export interface OptionDescription {
  readonly flags: string;
  readonly help: string;
  readonly takes: "nothing" | "value" | "list";
}

/** What makes a policy: also of `policy explain` and `policy seccomp`. */
export const policyOptions: readonly OptionDescription[] = [
  {
    flags: "-p, --policy <file>",
    help: "policy file; without one: no network, the working directory read-only",
    takes: "value",
  },
  {
    flags: "--skill <dir>",
    help: "what the skill in a folder asks for, within --policy or the built-in ceiling",
    takes: "value",
  },
  { flags: "--read <path>", help: "show a file or directory read-only", takes: "list" },
  { flags: "--write <path>", help: "let the program write to it", takes: "list" },
  { flags: "--overlay <dir>", help: "let the program write to a copy of it", takes: "list" },
  { flags: "--deny <path>", help: "hide it, inside a grant too", takes: "list" },
  {
    flags: "--allow <host[:port]>",
    help: "let the program reach a host; port 443 unless given",
    takes: "list",
  },
  { flags: "--env <name[=value]>", help: "pass a variable on, or set one", takes: "list" },
  { flags: "--memory <size>", help: "limit of memory: 512MiB", takes: "value" },
  { flags: "--cpus <number>", help: "limit of CPU time per second: 1.5", takes: "value" },
  { flags: "--timeout <time>", help: "limit of wall time: 60s", takes: "value" },
  { flags: "-C, --directory <dir>", help: "working directory", takes: "value" },
];

export const execOptions: readonly OptionDescription[] = [
  ...policyOptions,
  { flags: "--audit <file>", help: "write the audit record to a file, as JSON Lines", takes: "value" },
  {
    flags: "--explain",
    help: "say on stderr what the network rules refuse, and which rule would allow it",
    takes: "nothing",
  },
  {
    flags: "--commit",
    help: "apply what the program changed in overlays to the host, if it ends with status 0",
    takes: "nothing",
  },
  { flags: "-t, --tty", help: "give the program a terminal of its own", takes: "nothing" },
  { flags: "--report <file>", help: "write the result of the run to a file, as JSON", takes: "value" },
];

export interface ExecArguments {
  readonly argv: readonly string[];
  readonly options: ExecOptions;
}

/**
 * Reads what is plainly right of `exec [OPTIONS] [--] COMMAND [ARGUMENTS]` without commander, which costs 6 ms to set up. Undefined for
 * anything else: help, mistakes and rare spellings are commander's, which reads these the same way.
 */
export function readExecArguments(args: readonly string[]): ExecArguments | undefined {
  if (args[0] !== "exec") return undefined;
  const given = new Map<string, readonly string[]>();
  let at = 1;
  for (; at < args.length; at++) {
    const word = args[at] ?? "";
    if (!word.startsWith("-")) break;
    if (word === "--") {
      at++;
      break;
    }
    const [, spelling, equals, attached] = /^(--[a-z]+|-[a-zA-Z])(=(.*))?$/s.exec(word) ?? [];
    const option = execOptions.find(
      ({ flags }) => spelling !== undefined && spellings(flags).includes(spelling),
    );
    if (option === undefined) return undefined;
    if (equals !== undefined && (option.takes === "nothing" || !word.startsWith("--"))) return undefined;
    const value = option.takes === "nothing" ? "" : (attached ?? args[++at]);
    if (value === undefined || value.startsWith("-")) return undefined;
    const name = nameOf(option);
    given.set(name, option.takes === "list" ? [...(given.get(name) ?? []), value] : [value]);
  }
  return at < args.length ? { argv: args.slice(at), options: optionsOf(given) } : undefined;
}

function optionsOf(given: ReadonlyMap<string, readonly string[]>): ExecOptions {
  const list = (name: string): readonly string[] => given.get(name) ?? [];
  const value = (name: string): string | undefined => given.get(name)?.[0];
  return {
    policy: value("policy"),
    skill: value("skill"),
    read: list("read"),
    write: list("write"),
    overlay: list("overlay"),
    deny: list("deny"),
    allow: list("allow"),
    env: list("env"),
    memory: value("memory"),
    cpus: value("cpus"),
    timeout: value("timeout"),
    directory: value("directory"),
    audit: value("audit"),
    explain: given.has("explain"),
    commit: given.has("commit"),
    tty: given.has("tty"),
    report: value("report"),
  };
}

/** "-p, --policy <file>": -p and --policy. */
function spellings(flags: string): readonly string[] {
  return flags.replace(/ <.*/, "").split(", ");
}

function nameOf({ flags }: OptionDescription): string {
  return spellings(flags).at(-1)?.slice(2) ?? "";
}
