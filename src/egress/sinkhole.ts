import type net from "node:net";
import type { ProxyTarget } from "./proxy-target.js";
import type { Decision, EgressRules } from "./rules.js";

/**
 * Where every TCP connection of a sandbox goes instead of outside, for who wants to see what a program would have sent. Nothing
 * is resolved and nothing leaves: names all exist, addresses all answer, and UDP is refused.
 */
export interface Sinkhole {
  /** A socket of ours whose other end plays the target. Reads nothing before it is handed on. */
  readonly dial: (target: ProxyTarget) => Promise<net.Socket>;
}

/** What of the rules is asked. */
export type EgressJudge = Pick<
  EgressRules,
  "hasAllowedBelow" | "judgeAddress" | "judgeConnection" | "judgeName" | "judgeResolved"
>;

const into: Decision = { verdict: "allow", rule: "sinkhole" };

/** A UDP flow has a socket outside: there is none in a sinkhole. */
const judge = ({ protocol }: { readonly protocol: "tcp" | "udp" }): Decision =>
  protocol === "tcp" ? into : { verdict: "deny", rule: "sinkhole: UDP" };

export const sinkholeRules: EgressJudge = {
  hasAllowedBelow: () => true,
  judgeName: () => into,
  judgeConnection: judge,
  judgeAddress: judge,
  judgeResolved: judge,
};
