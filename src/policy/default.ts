import type { Policy } from "./policy.js";

/** What {@link defaultPolicy} passes on: how to talk to the caller's terminal, language and clock. */
export const defaultPass: readonly string[] = [
  "LANG",
  "LC_ALL",
  "LC_CTYPE",
  "TZ",
  "TERM",
  "COLORTERM",
  "NO_COLOR",
];

/**
 * What holds with no policy at all: no network, no grants (exec adds the working directory, read-only), limits that need
 * no cgroup, the default system call profile, and the record of security-relevant events.
 *
 * This file imports neither zod nor yaml, which cost 70 ms to load: a run without a policy file must not pay for them.
 */
export function defaultPolicy(): Policy {
  return { ...startingPolicy(), environment: { pass: defaultPass, set: {} } };
}

/** What a policy file without `extends` starts from: the default limits, and empty lists. */
export function startingPolicy(): Policy {
  return {
    version: 1,
    filesystem: { root: "host", read: [], write: [], overlay: [], deny: [], tmpBytes: 256 * 1024 ** 2 },
    network: { egress: [], egressDeny: [], forward: [], publish: [], unixSockets: [], noProxy: [] },
    resources: {
      // RLIMIT_NPROC counts the processes of the sandbox's own user namespace, so that this needs no cgroup.
      pids: { value: 256, written: "256", bestEffort: false },
      openFiles: { value: 1024, written: "1024", bestEffort: false },
    },
    environment: { pass: [], set: {} },
    syscalls: { profile: "default" },
    audit: { level: "security", maxBytes: 1024 ** 3, onFailure: "stop" },
  };
}
