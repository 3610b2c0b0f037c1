import { startingPolicy } from "../policy/default.js";
import { narrow, type Narrowed } from "../policy/narrow.js";
import type { Policy } from "../policy/policy.js";
import type { Skill } from "./skill.js";

/** The most that a skill gets where the operator says nothing: its own folder, public hosts by name, limits. */
export function builtInCeiling(directory: string): Policy {
  const start = startingPolicy();
  const grant = { path: directory, written: directory };
  return {
    ...start,
    filesystem: { ...start.filesystem, read: [grant], write: [grant], overlay: [grant] },
    network: { ...start.network, egress: [{ to: ["**"], except: [], ports: [] }] },
    resources: {
      ...start.resources,
      memory: { value: 1024 ** 3, written: "1GiB", bestEffort: true },
      wallTime: { value: 300_000, written: "5m", bestEffort: false },
    },
    environment: { pass: ["LANG", "LC_ALL", "TZ", "TERM"], set: {} },
  };
}

/** The skill's request within the ceiling. A skill that asks for nothing gets its folder to read, and no more. */
export function effectiveSkillPolicy(skill: Skill, ceiling: Policy | undefined): Narrowed {
  const grant = { path: skill.directory, written: skill.directory };
  const start = startingPolicy();
  const nothing: Policy = { ...start, filesystem: { ...start.filesystem, read: [grant] } };
  const request = skill.policy.source === "none" ? nothing : skill.policy.policy;
  return narrow(ceiling ?? builtInCeiling(skill.directory), request);
}
