import { once } from "node:events";
import { SkillboxError } from "../errors.js";
import { probeCgroups, type CgroupSupport, type LimitSupport } from "../host/cgroup-support.js";
import { diagnose, type FeatureDiagnosis } from "../host/diagnosis.js";
import { readHostFacts, type HostFacts } from "../host/facts.js";
import { probeHost, type FeatureGroup } from "../host/features.js";
import { loadNative } from "../native/binding.js";
import { planLimits } from "../plan/limits.js";
import { limitNames, type Limit, type LimitName, type ResourcePolicy } from "../policy/policy.js";

/**
 * What `skillbox doctor --json` prints. Fields may be added; those here keep their names and meanings as long as
 * `version` is 1.
 */
export interface DoctorReport {
  readonly version: 1;
  /** Whether a run with the default policy works here; the exit status is 0 if so, 1 if not. */
  readonly ok: boolean;
  readonly verdict: string;
  /** The kernel, the caller and the settings by which the reasons were found. */
  readonly host: HostFacts;
  /** Every feature that was tried, in the order of a launch. */
  readonly features: readonly FeatureDiagnosis[];
  /** Every limit of a policy, and who would enforce it for this caller. */
  readonly limits: readonly LimitDiagnosis[];
}

export interface LimitDiagnosis {
  readonly limit: LimitName;
  /** False: a policy that asks for it is refused, unless it says `bestEffort`. */
  readonly available: boolean;
  /** What enforces it; where it is not available, what `bestEffort` would still have. */
  readonly mechanism: string;
  readonly reason?: string | undefined;
  readonly hint?: string | undefined;
}

/** Tries what this host allows and prints what is missing, why, and the cure. 1 when something required is missing. */
export async function doctor(options: { json: boolean }, out: NodeJS.WritableStream): Promise<number> {
  const report = examine();
  const text = options.json ? JSON.stringify(report, undefined, 2) : render(report);
  if (!out.write(`${text}\n`)) await once(out, "drain");
  return report.ok ? 0 : 1;
}

function examine(): DoctorReport {
  const host = readHostFacts();
  const limits = diagnoseLimits(probeCgroups());
  try {
    // The helper alone is asked; loading the addon with it shows whether a launch could.
    const { initPath } = loadNative();
    const features = diagnose(probeHost(initPath), host, initPath);
    const missing = features.filter(({ group, status }) => group === "required" && status !== "ok");
    const causes = missing.filter(({ blockedBy }) => blockedBy === undefined);
    const verdict =
      missing.length > 0
        ? `skillbox cannot run here: ${causes.map(({ name, reason }) => `${name}: ${reason ?? "unknown"}`).join("; ")}.`
        : `skillbox runs here. ${limitsInShort(limits)}`;
    return { version: 1, ok: missing.length === 0, verdict, host, features, limits };
  } catch (error) {
    if (!(error instanceof SkillboxError)) throw error;
    const cure = error.hint === undefined ? "" : ` (${error.hint})`;
    const verdict = `skillbox cannot run here: ${error.message}${cure}.`;
    return { version: 1, ok: false, verdict, host, features: [], limits };
  }
}

function diagnoseLimits(support: CgroupSupport): readonly LimitDiagnosis[] {
  const anyLimit: Limit = { value: 1, written: "1", bestEffort: true };
  const resources: ResourcePolicy = Object.fromEntries(limitNames.map((name) => [name, anyLimit]));
  return planLimits(resources, () => support).enforced.map(({ resource, enforcedBy }): LimitDiagnosis => {
    const byCgroup = resource === "memory" || resource === "cpus" ? support[resource] : undefined;
    if (byCgroup === undefined) return { limit: resource, available: true, mechanism: enforcedBy };
    return limitByCgroup(resource, byCgroup, enforcedBy);
  });
}

function limitByCgroup(limit: LimitName, support: LimitSupport, otherwise: string): LimitDiagnosis {
  if (!support.available) {
    return { limit, available: false, mechanism: otherwise, reason: support.reason, hint: support.hint };
  }
  const access = {
    root: "as root",
    delegated: "delegated to the caller",
    "systemd-scope": "by a systemd user scope",
  };
  return {
    limit,
    available: true,
    mechanism: `cgroup v${support.version}, ${access[support.via]}, below ${support.controllerPath}`,
  };
}

function limitsInShort(limits: readonly LimitDiagnosis[]): string {
  const missing = limits.filter(({ available }) => !available).map(({ limit }) => limit);
  return missing.length === 0
    ? "Every limit of a policy can be enforced."
    : `A policy cannot limit ${missing.join(" and ")} for this caller; everything else can be enforced.`;
}

const groupTitles: Readonly<Record<FeatureGroup, string>> = {
  required: "Required",
  limits: "For limits",
  audit: "For the audit",
  root: "For root callers",
  optional: "Optional",
};

function render({ host, features, limits, verdict }: DoctorReport): string {
  const caller = host.isRoot ? "root" : `uid ${process.geteuid?.() ?? 0}`;
  const where = host.container === undefined ? "" : `, in a container (${host.container})`;
  const sections = Object.entries(groupTitles).flatMap(([group, title]) => {
    const rows = features.filter((feature) => feature.group === group && feature.status !== "not-applicable");
    return rows.length === 0 ? [] : [section(title, rows.flatMap(featureLines))];
  });
  return [
    `Linux ${host.kernelRelease}, ${caller}${where}`,
    ...sections,
    section("Limits: who enforces them for this caller", limits.flatMap(limitLines)),
    verdict,
  ].join("\n\n");
}

function section(title: string, lines: readonly string[]): string {
  return [title, ...lines].join("\n");
}

function featureLines(feature: FeatureDiagnosis): readonly string[] {
  const { name, group, status, purpose, blockedBy, reason, hint, errno, operation } = feature;
  if (blockedBy !== undefined) return [row(name, "blocked", `by ${blockedBy}`)];
  // Loud where a run needs it, and only there.
  const mark = status === "missing" && group === "required" ? "MISSING" : status;
  const failed = errno === undefined ? "" : ` [${operation ?? ""}: ${errno}]`;
  return [row(name, mark, purpose), ...advice(reason === undefined ? undefined : `${reason}${failed}`, hint)];
}

function limitLines({ limit, available, mechanism, reason, hint }: LimitDiagnosis): readonly string[] {
  // What stands in for it says of itself that it is only the best that can be had.
  return [row(limit, available ? "ok" : "missing", mechanism), ...advice(reason, hint)];
}

function row(name: string, mark: string, text: string): string {
  return `  ${name.padEnd(22)} ${mark.padEnd(8)} ${text}`;
}

/** Commands keep their own lines, so that they can be copied. */
function advice(reason: string | undefined, hint: string | undefined): readonly string[] {
  const margin = " ".repeat(34);
  return [
    ...(reason === undefined ? [] : [`${margin}why:  ${reason}`]),
    ...(hint === undefined ? [] : [`${margin}cure: ${hint.replaceAll("\n", `\n${margin}      `)}`]),
  ];
}
