import { SkillboxError } from "../errors.js";
import { type Cidr, cidrContains, parseCidr } from "../policy/cidr.js";
import { parseDestination } from "../policy/destination.js";
import type { EgressRule, PortRange } from "../policy/policy.js";
import { everyTcpPort, openedPorts } from "../policy/port-set.js";
import { addressText, readAddress } from "./addresses.js";
import { AddressIndex, type CompiledRule, NameIndex } from "./rules-index.js";

/** One list of rules, `egress` or `egressDeny`, ready for matching. */
export interface CompiledRules {
  readonly names: NameIndex;
  readonly addresses: AddressIndex;
}

/**
 * Policies were checked when they were read. What is not well formed here all the same (a policy put together by hand)
 * is an error: passed over in a denial, or in an exception, it would widen what is allowed.
 */
export function compileRules(list: "egress" | "egressDeny", rules: readonly EgressRule[]): CompiledRules {
  const names = new NameIndex();
  const addresses = new AddressIndex();
  for (const [index, rule] of rules.entries()) {
    const where = `network.${list}[${index}]`;
    const compiled: CompiledRule = {
      rule,
      index,
      label: ruleLabel(rule, `${list}[${index}]`),
      ports: list === "egress" ? openedPorts(rule.ports) : rule.ports.length > 0 ? rule.ports : everyPort,
      except: rule.except.map((text) => checked(parseCidr(text), where)),
    };
    for (const text of rule.to) {
      const destination = checked(parseDestination(text), where);
      if (destination.kind === "name") names.add(destination.pattern, compiled);
      else
        for (const cidr of asFamilies(list, destination.cidr))
          addresses.add(cidr, compiled, rule.namedFrom?.[text]);
    }
  }
  return { names, addresses };
}

const everyPort: readonly PortRange[] = [...everyTcpPort, { first: 1, last: 65535, protocol: "udp" }];

/**
 * IPv4-mapped addresses are judged as IPv4. A denial written in their form means the same, so it holds for IPv4; an allowing
 * rule in that form is not carried over, because `::/0` in a ceiling contains it and grants no IPv4 itself.
 */
function asFamilies(list: "egress" | "egressDeny", cidr: Cidr): readonly Cidr[] {
  if (list === "egress" || cidr.family === 4 || cidr.prefix < 96) return [cidr];
  const inner = readAddress(addressText({ ...cidr, prefix: 128 }));
  return inner?.family === 4 ? [cidr, { ...inner, prefix: cidr.prefix - 96 }] : [cidr];
}

function ruleLabel({ origin }: EgressRule, otherwise: string): string {
  return origin === undefined ? otherwise : `${origin.file}:${origin.line}:${origin.column}`;
}

function checked<T>(parsed: { readonly value: T } | { readonly problem: string }, where: string): T {
  if ("value" in parsed) return parsed.value;
  throw new SkillboxError("ERR_POLICY", `${where}: ${parsed.problem}`);
}

export function onPort({ ports }: CompiledRule, port: number, protocol: PortRange["protocol"]): boolean {
  return ports.some((range) => range.protocol === protocol && range.first <= port && port <= range.last);
}

export function outsideHoles({ except }: CompiledRule, address: Cidr): boolean {
  return !except.some((hole) => cidrContains(hole, address));
}

/** Whether `allowed` has a port that none of `denied` has. If so, the lowest such is a first port, or follows a last one. */
export function portsRemain(allowed: CompiledRule, denied: readonly CompiledRule[]): boolean {
  return allowed.ports.some(({ first, last, protocol }) => {
    const candidates = [first, ...denied.flatMap(({ ports }) => ports.map((range) => range.last + 1))];
    return candidates.some(
      (port) => first <= port && port <= last && !denied.some((rule) => onPort(rule, port, protocol)),
    );
  });
}
