import { resolve } from "node:path";
import { SkillboxError } from "../errors.js";
import { defaultPolicy } from "../policy/default.js";
import { parseDestination } from "../policy/destination.js";
import type { Parsed } from "../policy/parsed.js";
import type { Narrowed } from "../policy/narrow.js";
import { parsePorts } from "../policy/ports.js";
import { checkPath, resolvePath } from "../policy/paths.js";
import type { EgressRule, Limit, PathGrant, Policy } from "../policy/policy.js";
import { parseSize, parseTime } from "../policy/units.js";

/** The options of `skillbox exec` and `skillbox policy explain` that make a policy, as commander hands them over. */
export interface PolicyOptions {
  readonly policy?: string | undefined;
  /** Its folder. */
  readonly skill?: string | undefined;
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly overlay: readonly string[];
  readonly deny: readonly string[];
  readonly allow: readonly string[];
  readonly env: readonly string[];
  readonly memory?: string | undefined;
  readonly cpus?: string | undefined;
  readonly timeout?: string | undefined;
  readonly directory?: string | undefined;
}

/**
 * The policy file, or the default, with what the flags add. A relative path on the command line is relative to where the
 * command is typed. zod and yaml are loaded only if there is a file to read.
 */
export async function policyFromOptions(options: PolicyOptions): Promise<Policy> {
  return (await narrowedFromOptions(options)).policy;
}

/** The same, and what a skill asked for and did not get. */
export async function narrowedFromOptions(options: PolicyOptions): Promise<Narrowed> {
  const { policy, refused } = await basePolicy(options);
  return { policy: withFlags(policy, options), refused };
}

function withFlags(base: Policy, options: PolicyOptions): Policy {
  const { filesystem, resources, environment } = base;
  return {
    ...base,
    filesystem: {
      ...filesystem,
      read: [...filesystem.read, ...options.read.map((path) => flagGrant("--read", path))],
      write: [...filesystem.write, ...options.write.map((path) => flagGrant("--write", path))],
      overlay: [...filesystem.overlay, ...options.overlay.map((path) => flagGrant("--overlay", path))],
      deny: [...filesystem.deny, ...options.deny.map((path) => flagGrant("--deny", path))],
    },
    resources: {
      ...resources,
      ...flagLimit("memory", "--memory", options.memory, parseSize),
      ...flagLimit("cpus", "--cpus", options.cpus, parseCpus),
      ...flagLimit("wallTime", "--timeout", options.timeout, parseTime),
    },
    network: { ...base.network, egress: [...base.network.egress, ...options.allow.map(flagEgress)] },
    environment: addVariables(environment, options.env),
  };
}

/** Of a skill: what it asks for, and what of it the operator's policy, or the built-in ceiling, gives. */
async function basePolicy({ policy, skill }: PolicyOptions): Promise<Narrowed> {
  const given = policy === undefined ? undefined : await load(policy);
  if (skill === undefined) return { policy: given ?? defaultPolicy(), refused: [] };
  const { readSkill } = await import("../skill/skill.js");
  const { effectiveSkillPolicy } = await import("../skill/effective.js");
  return effectiveSkillPolicy(readSkill(skill), given);
}

/** Where the program starts. Throws ERR_GRANT when the directory that skillbox was started in is gone. */
export function workingDirectory(options: PolicyOptions): string {
  return resolve(ownDirectory(), options.directory ?? ".");
}

function ownDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new SkillboxError("ERR_GRANT", "the current directory is not there any more", {
      hint: "change to one that is: cd DIR",
      cause,
    });
  }
}

async function load(file: string): Promise<Policy> {
  const { loadPolicyFile } = await import("../policy/load.js");
  return loadPolicyFile(file).policy;
}

function flagGrant(flag: string, written: string): PathGrant {
  const problem = checkPath(written);
  if (problem !== undefined) throw usage(flag, problem);
  return { path: resolvePath(written, ownDirectory()), written };
}

/** `HOST`, `HOST:PORT`, `HOST:FIRST-LAST`, `[v6]:PORT`, a name, an address or a CIDR; without a port: HTTPS. */
function flagEgress(written: string): EgressRule {
  const [, bracketed, plain, ports = "443"] =
    /^(?:\[([^\]]+)\]|([^:]+|[^:]*:[^:]*:.*?))(?::([0-9-]+(?:\/(?:tcp|udp))?))?$/.exec(written) ?? [];
  const to = bracketed ?? plain;
  if (to === undefined) throw usage("--allow", `${JSON.stringify(written)} is not HOST or HOST:PORT`);
  const destination = parseDestination(to);
  if ("problem" in destination) throw usage("--allow", destination.problem);
  const range = parsePorts(ports);
  if ("problem" in range) throw usage("--allow", range.problem);
  return { to: [to], except: [], ports: [range.value] };
}

function flagLimit(
  name: "memory" | "cpus" | "wallTime",
  flag: string,
  written: string | undefined,
  parse: (text: string) => Parsed<number>,
): { readonly [Name in typeof name]?: Limit } {
  if (written === undefined) return {};
  const parsed = parse(written);
  if ("problem" in parsed) throw usage(flag, parsed.problem);
  return { [name]: { value: parsed.value, written, bestEffort: false } };
}

function parseCpus(text: string): Parsed<number> {
  const value = Number(text);
  return /^\d+(\.\d+)?$/.test(text) && value >= 0.01 && value <= 4096
    ? { value }
    : { problem: `${JSON.stringify(text)} is not a number of cores; write for example 1.5` };
}

/** `--env NAME` passes the caller's variable on, `--env NAME=VALUE` sets one. */
function addVariables(environment: Policy["environment"], flags: readonly string[]): Policy["environment"] {
  const pass = [...environment.pass];
  const set = { ...environment.set };
  for (const flag of flags) {
    const equals = flag.indexOf("=");
    const name = equals < 0 ? flag : flag.slice(0, equals);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw usage("--env", `${JSON.stringify(name)} is not a variable's name`);
    if (equals < 0) pass.push(name);
    else set[name] = flag.slice(equals + 1);
  }
  return { pass, set };
}

function usage(flag: string, problem: string): SkillboxError {
  return new SkillboxError("ERR_USAGE", `${flag}: ${problem}`, { hint: "see `skillbox exec --help`" });
}
