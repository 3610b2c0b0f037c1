import { dirname, relative } from "node:path";
import { stringify } from "yaml";
import { pathContains } from "../policy/paths.js";
import type { Skill } from "../skill/skill.js";
import type { Observation } from "./scan.js";

/** The smallest policy under which the runs that were seen could do what they did, as YAML. */
export function suggestPolicy(skill: Skill, observations: readonly Observation[]): string {
  const hosts = new Map<string, Set<number>>();
  const writes = new Set<string>();
  for (const { exercise, acts } of observations) {
    for (const { name, address, port } of acts.connects) {
      const host = name ?? address ?? "";
      hosts.set(host, (hosts.get(host) ?? new Set()).add(port));
    }
    for (const { access, path } of acts.files) {
      if (!["create", "write", "delete", "rename"].includes(access)) continue;
      if (!pathContains(exercise.cwd, path) || path.includes("__pycache__")) continue;
      writes.add(relative(exercise.cwd, dirname(path)));
    }
  }
  const folders = [...writes].filter(
    (path) => ![...writes].some((other) => other !== path && (other === "" || path.startsWith(`${other}/`))),
  );
  const egress = [...hosts]
    .toSorted()
    .map(([host, ports]) => ({ to: [host], ports: [...ports].toSorted((a, b) => a - b) }));
  return stringify({
    version: 1,
    name: skill.name,
    filesystem: {
      read: ["."],
      ...(folders.length === 0
        ? {}
        : { overlay: folders.toSorted().map((path) => (path === "" ? "." : `./${path}`)) }),
    },
    ...(egress.length === 0 ? {} : { network: { egress } }),
  });
}
