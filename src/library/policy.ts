import { resolve } from "node:path";
import { defaultPolicy } from "../policy/default.js";
import { loadPolicyFile, policyFromObject } from "../policy/load.js";
import { narrow } from "../policy/narrow.js";
import type { Policy } from "../policy/policy.js";
import type { CreateOptions } from "./options.js";

/** The policy that holds: what was asked for, within the ceiling. Throws ERR_POLICY with the place of what is wrong. */
export function effectivePolicy({ policy, ceiling, cwd = "." }: CreateOptions): Policy {
  const asked = policyOf(policy, resolve(cwd));
  return ceiling === undefined ? asked : narrow(policyOf(ceiling, resolve(cwd)), asked).policy;
}

function policyOf(policy: CreateOptions["policy"], baseDirectory: string): Policy {
  if (policy === undefined) return defaultPolicy();
  return typeof policy === "string"
    ? loadPolicyFile(policy).policy
    : policyFromObject(policy, { baseDirectory });
}
