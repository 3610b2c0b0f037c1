import {
  blockOf,
  everyPort,
  everywhere,
  type Fields,
  fieldsOf,
  type Imported,
  isDnsOnly,
  listOf,
  otherKeys,
  type PortInput,
  portsOf,
  textOf,
} from "./import-parts.js";

/** A NetworkPolicy of networking.k8s.io/v1. Its egress rules add up; what cannot be taken over is left out, never widened. */
export function importKubernetes(spec: Fields, where: string, imported: Imported): void {
  const { unsupported } = imported;
  const types = listOf(spec["policyTypes"]) ?? [];
  const rules = listOf(spec["egress"]);
  if (rules === undefined) {
    unsupported.push(`${where}.egress: not a list`);
    return;
  }
  if ((listOf(spec["ingress"]) ?? []).length > 0)
    unsupported.push(`${where}.ingress: nothing connects to a sandbox but through \`publish\``);
  for (const key of otherKeys(spec, ["podSelector", "policyTypes", "ingress", "egress"]))
    unsupported.push(`${where}.${key}: unknown key`);
  // The API's default for policyTypes: Egress is among them where there are egress rules.
  if (rules.length === 0 && !types.includes("Egress"))
    unsupported.push(
      `${where}: does not restrict egress in Kubernetes; here nothing is allowed unless a rule allows it`,
    );
  for (const [index, rule] of rules.entries())
    importRule(fieldsOf(rule), `${where}.egress[${index}]`, imported);
}

function importRule(rule: Fields | undefined, where: string, imported: Imported): void {
  const peers = listOf(rule?.["to"]);
  const written = listOf(rule?.["ports"]);
  const unknown = rule === undefined ? [] : otherKeys(rule, ["to", "ports"]);
  if (rule === undefined || peers === undefined || written === undefined || unknown.length > 0) {
    imported.unsupported.push(
      `${where}: not an egress rule${unknown.map((key) => `, unknown key ${key}`).join("")}`,
    );
    return;
  }
  const ports = importPorts(written, where, imported);
  if (ports.length === 0) return;
  if (peers.length === 0) imported.egress.push({ to: [...everywhere], ports: [...ports] });
  for (const [index, peer] of peers.entries())
    importPeer(fieldsOf(peer), ports, `${where}.to[${index}]`, imported);
}

/** Empty when none of the ports can be taken over; every port where none is written. */
function importPorts(
  written: readonly unknown[],
  where: string,
  { unsupported }: Imported,
): readonly PortInput[] {
  if (written.length === 0) return everyPort;
  return written.flatMap((entry, index) => {
    const fields = fieldsOf(entry) ?? {};
    const protocol = fields["protocol"] ?? "TCP";
    const ports =
      protocol === "TCP" || protocol === "UDP"
        ? portsOf(fields, [protocol])
        : { problem: `the protocol ${JSON.stringify(protocol)} leaves no sandbox` };
    if ("value" in ports) return ports.value;
    unsupported.push(`${where}.ports[${index}]: ${ports.problem}`);
    return [];
  });
}

/** A rule for each block: in ours, the holes of a rule belong to all of its blocks. */
function importPeer(
  peer: Fields | undefined,
  ports: readonly PortInput[],
  where: string,
  { egress, unsupported }: Imported,
): void {
  const ipBlock = fieldsOf(peer?.["ipBlock"]);
  if (peer === undefined || ipBlock === undefined || otherKeys(peer, ["ipBlock"]).length > 0) {
    if (!isDnsOnly(ports))
      unsupported.push(`${where}: pods and namespaces are chosen by labels; name their services, or a CIDR`);
    return;
  }
  const block = blockOf(ipBlock["cidr"], ipBlock["except"]);
  if (block === undefined) {
    unsupported.push(`${where}.ipBlock: not a CIDR with exceptions: ${textOf(ipBlock["cidr"]) ?? "?"}`);
    return;
  }
  const except = block.except.length === 0 ? {} : { except: [...block.except] };
  egress.push({ to: [...block.to], ...except, ports: [...ports] });
}
