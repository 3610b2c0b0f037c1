import { SkillboxError } from "../errors.js";
import type { PlannedMount } from "../plan/compile.js";
import { sandboxPersona } from "../plan/persona.js";
import { displayText, quoted } from "../policy/display.js";
import type { Refusal } from "../policy/narrow.js";
import type { EgressRule, Origin, Policy } from "../policy/policy.js";
import { formatSize } from "../policy/units.js";
import { prepare, type Preparation } from "../sandbox/prepare.js";
import { narrowedFromOptions, workingDirectory, type PolicyOptions } from "./exec-options.js";
import { statusOfError } from "../sandbox/exit-status.js";
import { printError } from "./print-error.js";
import { profileNotes } from "./profile-notes.js";

/**
 * What a run under this policy, on this host, of this command would see and may do. Nothing is started. With --json:
 * `{ name, mounts: [{ access, source, target, reason }], denied, scratch, limits, environment, syscalls, network, notes, refused }`.
 */
export async function policyExplain(
  argv: readonly string[],
  options: PolicyOptions & { readonly json: boolean },
  out: NodeJS.WritableStream,
): Promise<number> {
  try {
    const { policy, refused } = await narrowedFromOptions(options);
    const prepared = prepare({ policy, argv, cwd: workingDirectory(options), environment: process.env });
    const preparation = { ...prepared, notes: [...prepared.notes, ...profileNotes(policy)] };
    out.write(
      options.json
        ? `${JSON.stringify({ ...asJson(policy, preparation), refused }, undefined, 2)}\n`
        : asText(policy, preparation, refused),
    );
    return 0;
  } catch (error) {
    if (!(error instanceof SkillboxError)) throw error;
    printError(error);
    return statusOfError(error);
  }
}

function asJson(policy: Policy, { mounts, filesystem, limits, process, filter, notes }: Preparation): object {
  return {
    name: policy.name,
    program: process.candidates,
    mounts: mounts.map(({ access, source, target, reason }) => ({ access, source, target, reason })),
    denied: filesystem.denials.map(({ path }) => path),
    scratch: { paths: ["/tmp", sandboxPersona.home, "/dev/shm"], bytes: policy.filesystem.tmpBytes },
    limits: limits.enforced,
    environment: process.env,
    syscalls: { profile: policy.syscalls.profile, instructions: filter.instructions },
    network: { egress: policy.network.egress, egressDeny: policy.network.egressDeny },
    notes,
  };
}

function asText(policy: Policy, preparation: Preparation, refused: readonly Refusal[]): string {
  const { mounts, filesystem, limits, process, filter, notes } = preparation;
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ["program", [process.candidates.map((path) => quoted(path, 200)).join(" or ")]],
    [
      "files",
      [
        policy.filesystem.root === "host"
          ? "read     the system's /usr, /bin, /lib and the harmless part of /etc"
          : `read     ${policy.filesystem.root} as the root directory`,
        ...mounts.map(describeMount),
        ...filesystem.denials.map(({ path }) => `deny     ${path}`),
        `private  /tmp, ${sandboxPersona.home} and /dev/shm, ${formatSize(policy.filesystem.tmpBytes)} each, gone after the run`,
      ],
    ],
    ["network", describeNetwork(policy)],
    [
      "limits",
      limits.enforced.length === 0
        ? ["none"]
        : limits.enforced.map(
            ({ resource, requested, enforcedBy }) =>
              `${resource.padEnd(9)}${requested.padEnd(9)}by ${enforcedBy}`,
          ),
    ],
    [
      "system calls",
      [
        `profile ${policy.syscalls.profile}, ${filter.instructions} instructions; audit level ${policy.audit.level}`,
      ],
    ],
    ["environment", process.env.map((variable) => quoted(variable, 100).slice(1, -1))],
    ["asked for and not given", refused.map(describeRefusal)],
    ["notes", notes],
  ];
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `${title}\n${lines.map((line) => `  ${line}\n`).join("")}`)
    .join("");
}

/** What was asked and where, what is given of it, and the line of the ceiling that decides. */
function describeRefusal({ subject, asked, given, reason, askedAt, decidedBy }: Refusal): string {
  const asking = `${subject}: ${displayText(asked)}${askedAt === undefined ? "" : ` (${displayText(written(askedAt))})`}`;
  const decided = decidedBy === undefined ? "" : ` (${displayText(written(decidedBy))})`;
  return `${asking}: ${given === undefined ? "nothing is given" : `given: ${displayText(given)}`}; ${displayText(reason)}${decided}`;
}

function written({ file, line, column }: Origin): string {
  return `${file}:${line}:${column}`;
}

function describeMount({ access, source, target, reason }: PlannedMount): string {
  const place = source === target ? target : `${target} (from ${source})`;
  return `${access.padEnd(9)}${place}   ${reason}`;
}

function describeNetwork({ network }: Policy): readonly string[] {
  if (network.egress.length === 0) return ["none: only the sandbox's own 127.0.0.1 and ::1"];
  return [
    ...network.egress.map((rule) => `allow    ${describeRule(rule)}`),
    ...network.egressDeny.map((rule) => `deny     ${describeRule(rule)}`),
  ];
}

function describeRule({ to, except, ports }: EgressRule): string {
  const range = ports.map(
    ({ first, last, protocol }) => `${first === last ? first : `${first}-${last}`}/${protocol}`,
  );
  return [
    to.join(", "),
    ...(except.length === 0 ? [] : [`except ${except.join(", ")}`]),
    range.length === 0 ? "every TCP port" : `ports ${range.join(", ")}`,
  ].join("  ");
}
