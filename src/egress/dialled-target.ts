import type { ProxyTarget } from "./proxy-target.js";
import type { Decision } from "./rules.js";
import type { SyntheticAddresses } from "./synthetic.js";

/** What an address that a program uses stands for: a name, or itself; undefined for one that we give out and have not. */
export function dialledTarget(
  synthetic: SyntheticAddresses,
  { address, port }: { readonly address: string; readonly port: number },
): ProxyTarget | undefined {
  const name = synthetic.lookup(address);
  if (name !== undefined) return { kind: "name", host: name, port };
  return synthetic.contains(address) ? undefined : { kind: "address", host: address, port };
}

/** Where it stands for nothing. */
export const standsForNothing: Decision = { verdict: "deny", rule: "this address stands for no name" };
