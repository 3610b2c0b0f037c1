import { resolve } from "node:path";
import { defaultPolicy } from "../policy/default.js";
import { loadPolicyFile, policyFromObject } from "../policy/load.js";
import { narrow } from "../policy/narrow.js";
import type { Policy } from "../policy/policy.js";
import type { SandboxPreparation } from "../sandbox/prepare.js";
import type { SessionRequest } from "../sandbox/session.js";
import type { CreateOptions } from "./options.js";

/** What every sandbox is opened with. Throws ERR_POLICY with the place of what is wrong. */
export function sessionRequest(
  options: CreateOptions,
): Pick<SessionRequest<SandboxPreparation>, "policy" | "cwd" | "environment" | "auditFile" | "keepRecord"> {
  const { cwd = ".", env = process.env, auditFile, logger, events = logger !== undefined } = options;
  return {
    policy: effectivePolicy(options),
    cwd: resolve(cwd),
    environment: env,
    auditFile,
    keepRecord: events,
  };
}

/** The policy that holds: what was asked for, within the ceiling. */
function effectivePolicy({ policy, ceiling, cwd = "." }: CreateOptions): Policy {
  const asked = policyOf(policy, resolve(cwd));
  return ceiling === undefined ? asked : narrow(policyOf(ceiling, resolve(cwd)), asked).policy;
}

function policyOf(policy: CreateOptions["policy"], baseDirectory: string): Policy {
  if (policy === undefined) return defaultPolicy();
  return typeof policy === "string"
    ? loadPolicyFile(policy).policy
    : policyFromObject(policy, { baseDirectory });
}
