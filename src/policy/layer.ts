import type { Place, Problem } from "./diagnostic.js";
import { startingPolicy } from "./default.js";
import { quoted } from "./display.js";
import {
  type AuditPolicy,
  type Limit,
  type LimitName,
  limitNames,
  type NetworkPolicy,
  type PathGrant,
  type Policy,
  type ResourcePolicy,
} from "./policy.js";

/** One link of an `extends` chain: what a single file or preset says, absent where it says nothing. */
export interface PolicyLayer {
  readonly name: string | undefined;
  readonly filesystem: {
    readonly root: string | undefined;
    readonly read: readonly PathGrant[];
    readonly write: readonly PathGrant[];
    readonly overlay: readonly PathGrant[];
    readonly deny: readonly PathGrant[];
    readonly tmpBytes: number | undefined;
  };
  readonly network: NetworkPolicy;
  readonly resources: ResourcePolicy;
  /** Kept apart from the limits: a child may name a limit that its parent sets, and the other way round. */
  readonly bestEffort: readonly { readonly name: LimitName; readonly place: Place }[];
  readonly environment: Policy["environment"];
  readonly syscalls: Policy["syscalls"] | undefined;
  readonly audit: { readonly [Key in keyof AuditPolicy]: AuditPolicy[Key] | undefined };
}

/**
 * `child` extends `parent`: single values of the child win, lists grow, the child's last. A path or a listening port
 * that both name is the child's to decide, so that a grant's mode can be changed; what the parent denies stays denied.
 * A name is the child's own or none: it says which file this is.
 */
export function mergeLayers(parent: PolicyLayer, child: PolicyLayer): PolicyLayer {
  const { filesystem } = child;
  const regranted = new Set(
    [...filesystem.read, ...filesystem.write, ...filesystem.overlay].map(({ path }) => path),
  );
  const kept = (grants: readonly PathGrant[]) => grants.filter(({ path }) => !regranted.has(path));
  return {
    name: child.name,
    filesystem: {
      root: filesystem.root ?? parent.filesystem.root,
      read: [...kept(parent.filesystem.read), ...filesystem.read],
      write: [...kept(parent.filesystem.write), ...filesystem.write],
      overlay: [...kept(parent.filesystem.overlay), ...filesystem.overlay],
      deny: [...parent.filesystem.deny, ...filesystem.deny],
      tmpBytes: filesystem.tmpBytes ?? parent.filesystem.tmpBytes,
    },
    network: mergeNetworks(parent.network, child.network),
    resources: { ...parent.resources, ...child.resources },
    bestEffort: [...parent.bestEffort, ...child.bestEffort],
    environment: {
      pass: [...new Set([...parent.environment.pass, ...child.environment.pass])],
      set: { ...parent.environment.set, ...child.environment.set },
    },
    syscalls: child.syscalls ?? parent.syscalls,
    audit: {
      level: child.audit.level ?? parent.audit.level,
      maxBytes: child.audit.maxBytes ?? parent.audit.maxBytes,
      onFailure: child.audit.onFailure ?? parent.audit.onFailure,
    },
  };
}

/** The whole policy: the merged layers over the default limits. */
export function finishPolicy(layer: PolicyLayer): {
  readonly policy: Policy;
  readonly problems: readonly Problem[];
} {
  const start = startingPolicy();
  const resources: { [Name in LimitName]?: Limit } = {};
  for (const name of limitNames) {
    const limit = layer.resources[name] ?? start.resources[name];
    const bestEffort = layer.bestEffort.some((entry) => entry.name === name);
    if (limit !== undefined) resources[name] = { ...limit, bestEffort };
  }
  const { filesystem, audit } = layer;
  const policy: Policy = {
    version: 1,
    ...(layer.name === undefined ? {} : { name: layer.name }),
    filesystem: {
      ...filesystem,
      root: filesystem.root ?? start.filesystem.root,
      tmpBytes: filesystem.tmpBytes ?? start.filesystem.tmpBytes,
    },
    network: layer.network,
    resources,
    environment: layer.environment,
    syscalls: layer.syscalls ?? start.syscalls,
    audit: {
      level: audit.level ?? start.audit.level,
      maxBytes: audit.maxBytes ?? start.audit.maxBytes,
      onFailure: audit.onFailure ?? start.audit.onFailure,
    },
  };
  const problems = layer.bestEffort
    .filter(({ name }) => resources[name] === undefined)
    .map(({ name, place }) => ({
      place,
      message: `no limit ${quoted(name)} is set, so that none can go unenforced`,
    }));
  return { policy, problems };
}

function mergeNetworks(parent: NetworkPolicy, child: NetworkPolicy): NetworkPolicy {
  const { proxyPort = parent.proxyPort, upstreamProxy = parent.upstreamProxy } = child;
  return {
    egress: [...parent.egress, ...child.egress],
    egressDeny: [...parent.egressDeny, ...child.egressDeny],
    forward: mergeForwards(parent.forward, child.forward),
    publish: mergeForwards(parent.publish, child.publish),
    unixSockets: [
      ...parent.unixSockets.filter(({ path }) => !child.unixSockets.some((own) => own.path === path)),
      ...child.unixSockets,
    ],
    ...(proxyPort === undefined ? {} : { proxyPort }),
    ...(upstreamProxy === undefined ? {} : { upstreamProxy }),
    noProxy: [...new Set([...parent.noProxy, ...child.noProxy])],
  };
}

function mergeForwards(
  parent: NetworkPolicy["forward"],
  child: NetworkPolicy["forward"],
): NetworkPolicy["forward"] {
  const taken = new Set(child.map(({ listenPort }) => listenPort));
  return [...parent.filter(({ listenPort }) => !taken.has(listenPort)), ...child];
}
