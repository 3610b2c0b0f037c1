import type { Cidr } from "../policy/cidr.js";
import { formatHostPattern, type HostPattern } from "../policy/host-pattern.js";
import type { EgressRule, PortRange } from "../policy/policy.js";

/** A rule made ready for matching. */
export interface CompiledRule {
  readonly rule: EgressRule;
  /** Where it stands in its list. */
  readonly index: number;
  /** `p.yaml:6:7`, or `egress[0]` for a rule that was not read from a text. */
  readonly label: string;
  readonly ports: readonly PortRange[];
  readonly except: readonly Cidr[];
}

export interface NameMatch {
  readonly rule: CompiledRule;
  /** The pattern in the rule. */
  readonly pattern: string;
  /** How many labels of the name, from the left, stand under a wildcard up to the last one of the pattern. */
  readonly wildLabels: number;
}

interface Node {
  readonly children: Map<string, Node>;
  /** What ends here, and what has a `**` before it here. */
  readonly exact: NameEntry[];
  readonly deep: NameEntry[];
}

interface NameEntry {
  readonly rule: CompiledRule;
  readonly pattern: HostPattern;
}

/**
 * Patterns in a trie over their labels from the right, `*` being a label like any other. A name visits each node once at
 * most, so that a look-up is linear in the rules at the very worst and in the labels of the name as a rule.
 */
export class NameIndex {
  readonly #root = newNode();

  add(pattern: HostPattern, rule: CompiledRule): void {
    let node = this.#root;
    for (const label of [...pattern.labels].reverse()) {
      const next = node.children.get(label) ?? newNode();
      node.children.set(label, next);
      node = next;
    }
    (pattern.anyDepth ? node.deep : node.exact).push({ rule, pattern });
  }

  /** In the order of the rules. `name` is canonical. */
  matching(name: string): readonly NameMatch[] {
    const labels = name.split(".").reverse();
    const found: NameEntry[] = [];
    let nodes: readonly Node[] = [this.#root];
    for (const label of labels) {
      for (const node of nodes) found.push(...node.deep);
      nodes = nodes.flatMap(({ children }) => [children.get(label) ?? [], children.get("*") ?? []].flat());
    }
    for (const node of nodes) found.push(...node.exact);
    return found.sort((a, b) => a.rule.index - b.rule.index).map((entry) => toMatch(entry, labels.length));
  }

  /** Whether some name below `name` could match; the root is the empty name. */
  matchesBelow(name: string): boolean {
    let nodes: readonly Node[] = [this.#root];
    for (const label of name === "" ? [] : name.split(".").reverse()) {
      if (nodes.some(({ deep }) => deep.length > 0)) return true;
      nodes = nodes.flatMap(({ children }) => [children.get(label) ?? [], children.get("*") ?? []].flat());
    }
    return nodes.some(({ children, deep }) => children.size > 0 || deep.length > 0);
  }
}

/** Blocks by family and length of prefix: one look-up for each length that occurs, however many the rules are. */
export class AddressIndex {
  readonly #byPrefix = { 4: new Map<number, Blocks>(), 6: new Map<number, Blocks>() } as const;

  /** `namedFrom`: the prefix that counts for special addresses, where it is shorter than the block's own. */
  add(cidr: Cidr, rule: CompiledRule, namedFrom = cidr.prefix): void {
    const byPrefix = this.#byPrefix[cidr.family];
    const blocks: Blocks = byPrefix.get(cidr.prefix) ?? new Map<bigint, AddressMatch[]>();
    byPrefix.set(cidr.prefix, blocks);
    const matches = blocks.get(cidr.network) ?? [];
    blocks.set(cidr.network, matches);
    matches.push({ rule, prefix: Math.min(cidr.prefix, namedFrom) });
  }

  /** In the order of the rules, holes not considered. */
  matching({ family, network }: Cidr): readonly AddressMatch[] {
    const found: AddressMatch[] = [];
    for (const [prefix, blocks] of this.#byPrefix[family]) {
      const shift = BigInt((family === 4 ? 32 : 128) - prefix);
      found.push(...(blocks.get((network >> shift) << shift) ?? []));
    }
    return found.sort((a, b) => a.rule.index - b.rule.index);
  }
}

export interface AddressMatch {
  readonly rule: CompiledRule;
  readonly prefix: number;
}

type Blocks = Map<bigint, AddressMatch[]>;

function newNode(): Node {
  return { children: new Map(), exact: [], deep: [] };
}

function toMatch({ rule, pattern }: NameEntry, labelCount: number): NameMatch {
  const free = pattern.anyDepth ? labelCount - pattern.labels.length : 0;
  const wildLabels = free + pattern.labels.lastIndexOf("*") + 1;
  return { rule, pattern: formatHostPattern(pattern), wildLabels };
}
