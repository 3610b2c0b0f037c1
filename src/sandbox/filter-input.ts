import { SkillboxError } from "../errors.js";
import type { AuditLevel, Policy } from "../policy/policy.js";
import { auditSet } from "../seccomp/audit-sets.js";
import { baseDenials } from "../seccomp/base-denials.js";
import { compileFilter, type CompiledFilter, type FilterInput } from "../seccomp/filter.js";
import { builtInProfiles, loadProfile } from "../seccomp/load-profile.js";
import { filterFile, precompiledFilter, type FilterChoice } from "../seccomp/precompiled.js";
import type { NotifyRule } from "../seccomp/profile.js";
import type { Arch } from "../seccomp/syscall-table.js";

/** A policy's system call filter. Throws ERR_POLICY for a profile that is none. */
export function policyFilter(policy: Policy, arch: Arch, level: AuditLevel): CompiledFilter {
  const choice = filterChoice(policy, arch, level);
  // A file of the user's may change from run to run; ours do not.
  if (!builtInProfiles.some((name) => name === choice.profile)) return compileFilter(choiceInput(choice));
  const key = filterFile(choice);
  const known = builtIn.get(key);
  if (known !== undefined) return known;
  const filter = precompiledFilter(choice) ?? compileFilter(choiceInput(choice));
  builtIn.set(key, filter);
  return filter;
}

/** Of profiles that come with skillbox, by what decides. */
const builtIn = new Map<string, CompiledFilter>();

/** What a policy's filter is compiled from. Throws ERR_POLICY for a profile that is none. */
export function filterInput(policy: Policy, arch: Arch, level: AuditLevel): FilterInput {
  return choiceInput(filterChoice(policy, arch, level));
}

function filterChoice({ syscalls, network }: Policy, arch: Arch, level: AuditLevel): FilterChoice {
  return { profile: syscalls.profile, arch, level, outward: network.egress.length > 0 };
}

/** The same for a choice. */
export function choiceInput({ profile: name, arch, level, outward }: FilterChoice): FilterInput {
  const profile = loadProfile(name, { arch });
  const { notify, notifyDenials } = auditSet(level, arch);
  return {
    arch,
    profile,
    baseDenials,
    notify: outward ? [...notify, ...outwardCalls] : notify,
    notifyDenials,
  };
}

/** What names an address outside is held and judged, at whatever audit level. */
const outwardCalls: readonly NotifyRule[] = [
  { names: ["connect"], args: [] },
  { names: ["sendto"], args: [{ arg: 4, op: "NE", value: 0n }] },
];

/** Of this host, by Node's name. Throws ERR_HOST for one that skillbox does not know. */
export function hostArchitecture(): Arch {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new SkillboxError("ERR_HOST", `skillbox has no system call table for ${process.arch}`, {
    hint: "it supports x64 and arm64",
  });
}
