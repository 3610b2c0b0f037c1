import type { Gateway, GatewayOptions } from "../egress/gateway.js";
import { SkillboxError } from "../errors.js";
import type { Binding } from "../native/binding.js";
import type { LaunchPlan } from "../plan/launch-plan.js";
import type { Policy } from "../policy/policy.js";
import type { AuditTrail } from "./audit-trail.js";
import type { Sandbox } from "./sandbox.js";

export interface GatewayRequest {
  readonly policy: Policy;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly resolve?: GatewayOptions["resolve"];
  readonly onDenial?: GatewayOptions["onDenial"];
  readonly egressTimeouts?: GatewayOptions["timeouts"];
  readonly sinkhole?: GatewayOptions["sinkhole"];
}

/** Loaded only where there is egress: most of skillbox's code is about it. */
export async function openGateway(
  binding: Binding,
  plan: LaunchPlan,
  { policy, environment, resolve, onDenial, egressTimeouts, sinkhole }: GatewayRequest,
  trail: AuditTrail,
  inside: Pick<Required<GatewayOptions>, "requestSockets" | "onFailure">,
): Promise<Gateway | undefined> {
  if (!plan.egress) return undefined;
  const egress = await import("../egress/gateway.js");
  const { connections, traffic } = policy.resources;
  return new egress.Gateway({
    binding,
    network: policy.network,
    limits: { connections: connections?.value, trafficBytes: traffic?.value },
    environment,
    record: (members, denied) => {
      trail.append(members, denied);
    },
    ...inside,
    onDenial,
    timeouts: egressTimeouts,
    sinkhole,
    onLimit: (resource) => {
      trail.write("resource.limit", { resource, requested: policy.resources[resource]?.written });
    },
    ...(resolve === undefined ? {} : { resolve }),
  });
}

/** The program must find them open. They need sockets that PID 1 makes, which may die instead. */
export async function openPorts(sandbox: Sandbox, gateway: Gateway): Promise<void> {
  await sandbox.ready;
  const gone = sandbox.closed.then(() => {
    throw new SkillboxError("ERR_LAUNCH", "PID 1 of the sandbox ended while its ports were opened", {
      stage: "supervision",
    });
  });
  await Promise.race([gateway.openPorts(), gone]);
}
