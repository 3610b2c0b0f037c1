/** A policy as the rest of skillbox sees it: parsed, checked, units resolved, paths absolute. */

/** Where in which file a value was written; absent for values that came from code or flags. */
export interface Origin {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 code units. */
  readonly column: number;
}

export interface PathGrant {
  /** Absolute and lexically normal; symbolic links not resolved yet. */
  readonly path: string;
  /** As it was written, for messages. */
  readonly written: string;
  readonly origin?: Origin | undefined;
}

export interface FilesystemPolicy {
  /** "host": the curated view of the host's system directories. Otherwise the absolute path of a root directory. */
  readonly root: string;
  readonly read: readonly PathGrant[];
  readonly write: readonly PathGrant[];
  readonly overlay: readonly PathGrant[];
  readonly deny: readonly PathGrant[];
  /** Size of each private tmpfs: /tmp, HOME, /dev/shm. */
  readonly tmpBytes: number;
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
  readonly protocol: "tcp" | "udp";
}

export interface EgressRule {
  /** Host names (`*` one label, `**` any depth), addresses or CIDRs, as written. */
  readonly to: readonly string[];
  /** CIDRs carved out of the CIDRs in `to`; always empty in `egressDeny`. */
  readonly except: readonly string[];
  /** Empty means every TCP port but 53; in `egressDeny`, every TCP and UDP port. */
  readonly ports: readonly PortRange[];
  /**
   * Of CIDRs in `to` that a ceiling allows as a part of a wider one: the length of that one's prefix. Private and other special
   * addresses in them count as named by that, not by the narrower one that the request wrote.
   */
  readonly namedFrom?: Readonly<Record<string, number>> | undefined;
  readonly origin?: Origin | undefined;
}

/** `LISTEN:HOST:PORT`: `forward` listens in the sandbox and leads to the host, `publish` the reverse. */
export interface PortForward {
  readonly listenPort: number;
  /** An address, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly origin?: Origin | undefined;
}

/** How the host itself reaches the outside. */
export interface UpstreamProxyPolicy {
  /** `http://…` or `socks5://…`; "environment": the caller's HTTPS_PROXY, ALL_PROXY and NO_PROXY. */
  readonly url: string;
  readonly origin?: Origin | undefined;
}

export interface NetworkPolicy {
  readonly egress: readonly EgressRule[];
  readonly egressDeny: readonly EgressRule[];
  readonly forward: readonly PortForward[];
  readonly publish: readonly PortForward[];
  /** Of the host, at the same path inside. */
  readonly unixSockets: readonly PathGrant[];
  /** Of the sandbox's own 127.0.0.1, for programs that insist on a proxy. */
  readonly proxyPort?: number | undefined;
  readonly upstreamProxy?: UpstreamProxyPolicy | undefined;
  /** What is reached without the upstream proxy: domains, addresses, CIDRs. */
  readonly noProxy: readonly string[];
}

export const limitNames = [
  "memory",
  "cpus",
  "pids",
  "wallTime",
  "cpuTime",
  "openFiles",
  "fileSize",
  "output",
  "connections",
  "traffic",
] as const;
export type LimitName = (typeof limitNames)[number];

/** Bytes for memory, fileSize, output and traffic; cores for cpus; milliseconds for times; a count for the others. */
export interface Limit {
  readonly value: number;
  /** As it was written, for messages: "512MiB". */
  readonly written: string;
  /** Go on with less where this host cannot enforce it. */
  readonly bestEffort: boolean;
  readonly origin?: Origin | undefined;
}

export type ResourcePolicy = { readonly [Name in LimitName]?: Limit | undefined };

export interface EnvironmentPolicy {
  /** Names taken from the caller's environment. */
  readonly pass: readonly string[];
  readonly set: Readonly<Record<string, string>>;
}

export const auditLevels = ["off", "denied", "security", "files", "all"] as const;
export type AuditLevel = (typeof auditLevels)[number];

export interface AuditPolicy {
  readonly level: AuditLevel;
  readonly maxBytes: number;
  readonly onFailure: "stop" | "continue";
}

export interface Policy {
  readonly version: 1;
  readonly name?: string | undefined;
  readonly filesystem: FilesystemPolicy;
  readonly network: NetworkPolicy;
  readonly resources: ResourcePolicy;
  readonly environment: EnvironmentPolicy;
  /** "default", "strict", or the absolute path of a profile in the OCI format. */
  readonly syscalls: { readonly profile: string; readonly origin?: Origin | undefined };
  readonly audit: AuditPolicy;
}
