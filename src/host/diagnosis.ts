import { explainLaunchFailure, sysctlHint, type Explanation } from "./explain.js";
import type { HostFacts } from "./facts.js";
import {
  featureDescriptions,
  featureNames,
  type FeatureGroup,
  type FeatureName,
  type HostFeatures,
} from "./features.js";

export interface FeatureDiagnosis {
  readonly name: FeatureName;
  readonly group: FeatureGroup;
  readonly purpose: string;
  /** "not-applicable": only root callers need it, and this one is not. */
  readonly status: "ok" | "missing" | "unknown" | "not-applicable";
  readonly errno?: string | undefined;
  readonly operation?: string | undefined;
  /** The earlier feature without which this one could not even be tried. */
  readonly blockedBy?: FeatureName | undefined;
  readonly reason?: string | undefined;
  readonly hint?: string | undefined;
}

/** What the probe found, with the reasons and cures that the host's settings tell. Pure. */
export function diagnose(
  features: HostFeatures,
  facts: HostFacts,
  initPath: string,
): readonly FeatureDiagnosis[] {
  return featureNames.map((name) => {
    const { group, purpose } = featureDescriptions[name];
    const result = features.get(name) ?? { status: "unknown", operation: "the helper did not try it" };
    if (group === "root" && !facts.isRoot) return { name, group, purpose, status: "not-applicable" };
    if (result.status === "ok") return { name, group, purpose, status: "ok" };
    if (result.status === "unknown") {
      return {
        name,
        group,
        purpose,
        status: "unknown",
        operation: result.operation,
        reason: result.operation,
      };
    }
    const { status, errno, operation } = result;
    const found = { name, group, purpose, status, errno, operation };
    const blockedBy = findBlocker(name, features);
    if (blockedBy !== undefined) return { ...found, blockedBy, reason: `follows from ${blockedBy}` };
    return { ...found, ...explain(name, errno, operation, facts, initPath) };
  });
}

const prerequisites: ReadonlySet<FeatureName> = new Set(["user-ns", "tmpfs", "proc", "idmapped-mount"]);

/** Everything after the clone needs the namespace, everything mounted needs the first mount. */
function findBlocker(name: FeatureName, features: HostFeatures): FeatureName | undefined {
  const result = features.get(name);
  return featureNames
    .slice(0, featureNames.indexOf(name))
    .filter((candidate) => prerequisites.has(candidate))
    .find((candidate) => {
      const earlier = features.get(candidate);
      return (
        earlier?.status === "missing" &&
        result?.status === "missing" &&
        earlier.errno === result.errno &&
        earlier.operation === result.operation
      );
    });
}

function explain(
  name: FeatureName,
  errno: string,
  operation: string,
  facts: HostFacts,
  initPath: string,
): Explanation {
  const special = specialCases[name]?.(facts);
  if (special !== undefined) return special;
  const description = featureDescriptions[name];
  const subject = "subject" in description ? description.subject : undefined;
  const known = explainLaunchFailure(
    { stage: description.stage, operation, errno, subject },
    initPath,
    facts,
  );
  return (
    known ?? {
      reason: `${operation}: ${errno}`,
      hint: `Linux ${facts.kernelRelease} refuses it and does not say why; dmesg and the audit log may`,
    }
  );
}

const newerKernel = (version: string, without: string) => (): Explanation => ({
  reason: `came with Linux ${version}`,
  hint: `nothing to do: ${without}`,
});

/** What is missing for a reason of its own, and what happens without it. */
const specialCases: Partial<Record<FeatureName, (facts: HostFacts) => Explanation | undefined>> = {
  "overlay-replace": newerKernel("6.6", "changes under `overlay:` are kept in a private directory on disk"),
  "seccomp-wait-killable": newerKernel(
    "5.19",
    "recorded system calls may end with EINTR where a signal handler asks for it",
  ),
  "seccomp-sync-wake-up": newerKernel("6.6", "each recorded system call costs some microseconds more"),
  "idmapped-mount": () => ({
    reason: "the file system of /usr has no idmapped mounts, as overlayfs in a container",
    hint: "keep what you grant on ext4, xfs or btrfs (a volume), or run skillbox as an ordinary user",
  }),
  "idmapped-tmpfs": newerKernel("6.3", "grants of a root caller must not lie on tmpfs"),
  "overlay-idmapped": newerKernel("5.19", "run skillbox as an ordinary user"),
  "cgroup-kill": newerKernel("5.14", "the death of PID 1 ends the sandbox all the same"),
  "clone-into-cgroup": () => ({
    reason: "there is no cgroup2 directory of the caller's to clone into",
    hint: "nothing to do: the process enters its cgroups before it clones the sandbox",
  }),
  "seccomp-notify": ({ filtered }) =>
    filtered
      ? {
          reason: "a filter that we run under has a listener already, and the kernel allows one",
          hint: "start skillbox outside the other sandbox, or set audit: { level: off }",
        }
      : undefined,
  ipv6: () => ({
    reason: "IPv6 is switched off on this host",
    hint: `${sysctlHint("net.ipv6.conf.default.disable_ipv6", 0)}, and boot without ipv6.disable=1`,
  }),
  landlock: () => ({ reason: "not in this kernel, or not in its list of LSMs", hint: "nothing to do" }),
};
