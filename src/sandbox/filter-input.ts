import { SkillboxError } from "../errors.js";
import type { AuditLevel, Policy } from "../policy/policy.js";
import { auditSet } from "../seccomp/audit-sets.js";
import { baseDenials } from "../seccomp/base-denials.js";
import type { FilterInput } from "../seccomp/filter.js";
import { loadProfile } from "../seccomp/load-profile.js";
import type { NotifyRule } from "../seccomp/profile.js";
import type { Arch } from "../seccomp/syscall-table.js";

/** What a policy's system call filter is compiled from. Throws ERR_POLICY for a profile that is none. */
export function filterInput(policy: Policy, arch: Arch, level: AuditLevel): FilterInput {
  const profile = loadProfile(policy.syscalls.profile, { arch });
  const { notify, notifyDenials } = auditSet(level, arch);
  const outward = policy.network.egress.length > 0 ? outwardCalls : [];
  return { arch, profile, baseDenials, notify: [...notify, ...outward], notifyDenials };
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
