import { canonicalName } from "./names.js";
import type { Decision } from "./rules.js";

export interface WildcardLimitsOptions {
  /** Distinct names below each wildcard pattern in a run. Default: 200. */
  readonly namesPerWildcard?: number;
  /** Characters that the program may choose in them, all in all. Default: 8192. */
  readonly charactersPerWildcard?: number;
}

/**
 * Bounds what a program can say in names. No query leaves for a name that is not allowed, but below an allowed wildcard the
 * program chooses labels, and they reach the name servers of that domain when a connection makes us resolve them.
 * A bare `**` is left to the capacity for addresses: who may connect to any name has shorter ways to send data.
 */
export class WildcardLimits {
  readonly #names: number;
  readonly #characters: number;
  readonly #admitted = new Set<string>();
  readonly #used = new Map<string, { names: number; characters: number }>();

  constructor(options: WildcardLimitsOptions = {}) {
    this.#names = options.namesPerWildcard ?? 200;
    this.#characters = options.charactersPerWildcard ?? 8192;
  }

  /**
   * The decision itself, or a denial once too many names were admitted below its wildcard. A name that was admitted remains so,
   * without being counted again.
   */
  admit(name: string, decision: Decision): Decision {
    const { wildcard } = decision;
    const known = canonicalName(name);
    if (decision.verdict === "deny" || wildcard === undefined || known === undefined) return decision;
    if (wildcard.pattern === "**" || this.#admitted.has(known)) return decision;
    const used = this.#used.get(wildcard.pattern) ?? { names: 0, characters: 0 };
    const characters = used.characters + wildcard.labels.length;
    if (used.names >= this.#names) return limit(`names under ${wildcard.pattern}`, known);
    if (characters > this.#characters) return limit(`length of names under ${wildcard.pattern}`, known);
    this.#used.set(wildcard.pattern, { names: used.names + 1, characters });
    this.#admitted.add(known);
    return decision;
  }
}

function limit(what: string, name: string): Decision {
  return { verdict: "deny", rule: `limit: ${what}`, hint: `network.egress: [{ to: ["${name}"] }]` };
}
