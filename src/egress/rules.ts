import type { Cidr } from "../policy/cidr.js";
import type { NetworkPolicy, PortRange } from "../policy/policy.js";
import { addressText, embeddedAddresses, readAddress } from "./addresses.js";
import { hostAddresses, type Special, SpecialAddresses } from "./addresses-special.js";
import { canonicalName } from "./names.js";
import { compileRules, type CompiledRules, onPort, outsideHoles, portsRemain } from "./rules-compile.js";
import { addressHint, nameHint } from "./rules-hint.js";
import type { NameMatch } from "./rules-index.js";

export interface Decision {
  readonly verdict: "allow" | "deny";
  /**
   * What decided: a rule as `p.yaml:6:7` or `egress[0]`, "default" where nothing matched, "invalid-name", "invalid-address",
   * "special-address: KIND", "limit: …".
   */
  readonly rule: string;
  /** What to add to the policy, as one line of YAML, for who wants the denied to be allowed. */
  readonly hint?: string;
  /** Of an allowed name that is matched through wildcards only: the widest, and what the program is free to choose in it. */
  readonly wildcard?: { readonly pattern: string; readonly labels: string };
}

export type Protocol = PortRange["protocol"];

export interface Target {
  readonly port: number;
  readonly protocol: Protocol;
}

export interface EgressRulesOptions {
  /** The host's own addresses at this moment. Default: those of its interfaces. */
  readonly ownAddresses?: () => Iterable<string>;
}

/** The network section of a policy as a judge. Denials win over what is allowed; what nothing matches is denied. */
export class EgressRules {
  readonly #allow: CompiledRules;
  readonly #deny: CompiledRules;
  readonly #special: SpecialAddresses;
  readonly #judged = new Map<string, Decision>();

  /** Throws ERR_POLICY for rules that no reader of policies lets pass. */
  constructor(network: Pick<NetworkPolicy, "egress" | "egressDeny">, options: EgressRulesOptions = {}) {
    this.#allow = compileRules("egress", network.egress);
    this.#deny = compileRules("egressDeny", network.egressDeny);
    this.#special = new SpecialAddresses({ ownAddresses: options.ownAddresses ?? hostAddresses() });
  }

  /** Whether the name may be reached on some port. For DNS, where no port is known yet. */
  judgeName(name: string): Decision {
    const known = canonicalName(name);
    if (known === undefined) return invalidName;
    const denials = this.#deny.names.matching(known).map(({ rule }) => rule);
    const allowed = this.#allow.names.matching(known);
    const open = allowed.filter(({ rule }) => portsRemain(rule, denials));
    if (open[0] !== undefined) return allowName(known, open);
    // A denial for some ports does not explain why a name that no rule allows is denied.
    const denial = denials.find((rule) => allowed.length > 0 || rule.rule.ports.length === 0);
    if (denial !== undefined) return { verdict: "deny", rule: denial.label };
    return { verdict: "deny", rule: "default", hint: nameHint(known) };
  }

  /** A connection to a name, before the name is resolved. */
  judgeConnection(target: Target & { readonly name: string }): Decision {
    // Asked twice for each connection, and for most of them the same; the rules do not change.
    const key = `${target.protocol} ${target.port} ${target.name}`;
    const judged = this.#judged.get(key);
    if (judged !== undefined) return judged;
    const decision = this.#judgeConnection(target);
    if (this.#judged.size >= mostJudged) this.#judged.clear();
    this.#judged.set(key, decision);
    return decision;
  }

  #judgeConnection({ name, port, protocol }: Target & { readonly name: string }): Decision {
    const known = canonicalName(name);
    if (known === undefined) return invalidName;
    const denial = this.#deny.names.matching(known).find(({ rule }) => onPort(rule, port, protocol));
    if (denial !== undefined) return { verdict: "deny", rule: denial.rule.label };
    const allowed = this.#allow.names.matching(known).filter(({ rule }) => onPort(rule, port, protocol));
    if (allowed.length > 0) return allowName(known, allowed);
    return { verdict: "deny", rule: "default", hint: nameHint(known, { port, protocol }) };
  }

  /** A connection to an address that the program wrote itself: names do not matter, whatever resolves to it. */
  judgeAddress({ address, port, protocol }: Target & { readonly address: string }): Decision {
    const known = readAddress(address);
    if (known === undefined) return invalidAddress;
    const denial = this.#denial(known, { port, protocol });
    if (denial !== undefined) return denial;
    const special = this.#special.of(known);
    const rule = this.#allowing(known, { port, protocol }, special);
    if (rule !== undefined) return { verdict: "allow", rule };
    return notAllowed(known, { port, protocol }, special);
  }

  /**
   * An address that the resolver outside gave for a name, before it is dialled. The name decides for public addresses; a
   * special one must be named by an address or CIDR of a rule besides, or else any owner of an allowed name could lead into
   * the host's networks (DNS rebinding).
   */
  judgeResolved(target: Target & { readonly name: string; readonly address: string }): Decision {
    const { name, address, port, protocol } = target;
    const byName = this.judgeConnection({ name, port, protocol });
    if (byName.verdict === "deny") return byName;
    const known = readAddress(address);
    if (known === undefined) return invalidAddress;
    const denial = this.#denial(known, { port, protocol });
    if (denial !== undefined) return denial;
    const special = this.#special.of(known);
    if (special === undefined) return byName;
    const rule = this.#allowing(known, { port, protocol }, special);
    return rule === undefined
      ? notAllowed(known, { port, protocol }, special)
      : { ...byName, verdict: "allow", rule };
  }

  /** Whether a name below this one may be allowed; "" is the root. Such a name exists, even if it has no addresses itself. */
  hasAllowedBelow(name: string): boolean {
    return this.#allow.names.matchesBelow(name);
  }

  /** A denied IPv4 block is denied in the IPv6 spellings of its addresses too. */
  #denial(address: Cidr, { port, protocol }: Target): Decision | undefined {
    const spellings = [address, ...embeddedAddresses(address).map(({ inner }) => inner)];
    const found = spellings
      .flatMap((spelling) => this.#deny.addresses.matching(spelling))
      .find(({ rule }) => onPort(rule, port, protocol));
    return found === undefined ? undefined : { verdict: "deny", rule: found.rule.label };
  }

  #allowing(address: Cidr, { port, protocol }: Target, special: Special | undefined): string | undefined {
    const atLeast = special?.namedFrom ?? 0;
    return this.#allow.addresses
      .matching(address)
      .find(
        ({ rule, prefix }) =>
          prefix >= atLeast && onPort(rule, port, protocol) && outsideHoles(rule, address),
      )?.rule.label;
  }
}

/** A program can ask for any number of names. */
const mostJudged = 1024;

const invalidName: Decision = { verdict: "deny", rule: "invalid-name" };
const invalidAddress: Decision = { verdict: "deny", rule: "invalid-address" };

function allowName(name: string, matches: readonly NameMatch[]): Decision {
  const first = matches[0];
  const rule = first?.rule.label ?? "default";
  if (first === undefined || matches.some(({ wildLabels }) => wildLabels === 0))
    return { verdict: "allow", rule };
  const { pattern, wildLabels } = matches.find((match) => match.pattern === "**") ?? first;
  const labels = name.split(".").slice(0, wildLabels).join(".");
  return { verdict: "allow", rule, wildcard: { pattern, labels } };
}

function notAllowed(address: Cidr, target: Target, special: Special | undefined): Decision {
  const rule = special === undefined ? "default" : `special-address: ${special.kind}`;
  const hint = addressHint(addressText(address), target, special?.kind);
  return { verdict: "deny", rule, ...(hint === undefined ? {} : { hint }) };
}
