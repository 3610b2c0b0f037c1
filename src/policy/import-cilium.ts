import { parseHostPattern } from "./host-pattern.js";
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

/**
 * A rule set (`spec`) of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy of cilium.io/v2. A rule that says more than
 * names, addresses and ports is left out whole: without its other conditions it would allow more. A denial is taken over
 * wider rather than narrower.
 */
export function importCilium(spec: Fields, where: string, imported: Imported): void {
  for (const key of ["ingress", "ingressDeny"])
    if ((listOf(spec[key]) ?? []).length > 0)
      imported.unsupported.push(`${where}.${key}: nothing connects to a sandbox but through \`publish\``);
  const known = ["endpointSelector", "nodeSelector", "description", "labels", "enableDefaultDeny"];
  for (const key of otherKeys(spec, [...known, "ingress", "ingressDeny", "egress", "egressDeny"]))
    imported.unsupported.push(`${where}.${key}: unknown key`);
  for (const list of ["egress", "egressDeny"] as const)
    for (const [index, rule] of (listOf(spec[list]) ?? []).entries())
      importRule(list, fieldsOf(rule) ?? {}, `${where}.${list}[${index}]`, imported);
}

interface Destinations {
  readonly to: readonly string[];
  readonly except: readonly string[];
}

const destinationKeys = ["toFQDNs", "toCIDR", "toCIDRSet", "toEntities"] as const;

function importRule(list: "egress" | "egressDeny", rule: Fields, where: string, imported: Imported): void {
  const ports = importPorts(list, rule["toPorts"], where, imported);
  if (ports.length === 0) return;
  const foreign = otherKeys(rule, [...destinationKeys, "toPorts"]);
  if (foreign.length > 0) {
    const isDns = foreign.every((key) => key === "toEndpoints" || key === "toServices") && isDnsOnly(ports);
    if (!isDns)
      imported.unsupported.push(
        `${where}: ${foreign.join(", ")} cannot be told from outside a cluster; left out`,
      );
    return;
  }
  const blocks = destinationKeys.flatMap((key) =>
    (listOf(rule[key]) ?? []).flatMap((entry, index) => {
      const block = importDestination(key, entry);
      if ("to" in block) return [block];
      imported.unsupported.push(`${where}.${key}[${index}]: ${block.problem}`);
      return [];
    }),
  );
  // Ports without a destination are for every destination; a rule without either selects nothing.
  const named = destinationKeys.some((key) => rule[key] !== undefined);
  if (!named && rule["toPorts"] !== undefined) blocks.push({ to: everywhere, except: [] });
  for (const { to, except } of blocks) {
    if (list === "egress")
      imported.egress.push({
        to: [...to],
        ...(except.length === 0 ? {} : { except: [...except] }),
        ports: [...ports],
      });
    else {
      if (except.length > 0)
        imported.unsupported.push(`${where}: denied without its exceptions ${except.join(", ")}`);
      imported.egressDeny.push({ to: [...to], ports: [...ports] });
    }
  }
}

function importDestination(
  key: (typeof destinationKeys)[number],
  entry: unknown,
): Destinations | { problem: string } {
  if (key === "toEntities") return importEntity(entry);
  const fields = fieldsOf(entry) ?? {};
  if (key === "toFQDNs") return importName(fields);
  const block = blockOf(key === "toCIDR" ? entry : fields["cidr"], fields["except"]);
  return block ?? { problem: "not a CIDR; groups of them are objects of the cluster" };
}

/** Cilium's `*` stands for characters inside a label, and alone for every name; `**.` in front for several labels. */
function importName(fields: Fields): Destinations | { problem: string } {
  const written = textOf(fields["matchName"]) ?? textOf(fields["matchPattern"]);
  if (written === undefined || Object.keys(fields).length !== 1)
    return { problem: "one of matchName and matchPattern" };
  const name = written === "*" ? "**" : written;
  const parsed = parseHostPattern(name);
  if ("problem" in parsed) return parsed;
  if (fields["matchName"] !== undefined && name.includes("*"))
    return { problem: "matchName takes no wildcard" };
  return { to: [name], except: [] };
}

function importEntity(entity: unknown): Destinations | { problem: string } {
  if (entity === "world" || entity === "all") return { to: everywhere, except: [] };
  if (entity === "world-ipv4") return { to: ["0.0.0.0/0"], except: [] };
  if (entity === "world-ipv6") return { to: ["::/0"], except: [] };
  return { problem: `the entity ${JSON.stringify(entity)} is a part of a cluster` };
}

/** Empty when none of the ports can be taken over; every port where none is written. */
function importPorts(
  list: "egress" | "egressDeny",
  toPorts: unknown,
  where: string,
  { unsupported }: Imported,
): readonly PortInput[] {
  const groups = listOf(toPorts) ?? [];
  if (groups.length === 0) return everyPort;
  return groups.flatMap((group, index) => {
    const fields = fieldsOf(group) ?? {};
    const place = `${where}.toPorts[${index}]`;
    const conditions = otherKeys(fields, ["ports", "rules"]);
    // What is asked of a DNS server is judged by the rules for names.
    const rules = Object.keys(fieldsOf(fields["rules"]) ?? {}).filter((key) => key !== "dns");
    if (conditions.length + rules.length > 0) {
      const instead = list === "egressDeny" ? "denied without" : "left out";
      unsupported.push(`${place}: ${[...conditions, ...rules].join(", ")} has no counterpart; ${instead}`);
      return list === "egressDeny" ? everyPort : [];
    }
    const entries = listOf(fields["ports"]) ?? [];
    return entries.length === 0
      ? everyPort
      : entries.flatMap((entry) => importPort(list, fieldsOf(entry) ?? {}, place, unsupported));
  });
}

function importPort(
  list: "egress" | "egressDeny",
  fields: Fields,
  place: string,
  unsupported: string[],
): readonly PortInput[] {
  const protocol = fields["protocol"] ?? "ANY";
  const ports =
    protocol === "TCP" || protocol === "UDP"
      ? portsOf(fields, [protocol])
      : protocol === "ANY"
        ? portsOf(fields, ["TCP", "UDP"])
        : { problem: `the protocol ${JSON.stringify(protocol)} leaves no sandbox` };
  if ("value" in ports) return ports.value;
  const instead = list === "egressDeny" ? "; denied on every port" : "";
  unsupported.push(`${place}: ${ports.problem}${instead}`);
  return list === "egressDeny" ? everyPort : [];
}
