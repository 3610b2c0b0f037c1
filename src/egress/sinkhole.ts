import type net from "node:net";
import type { ProxyTarget } from "./proxy-target.js";
import { dnsPort } from "./dns-server.js";
import type { Decision, EgressRules, Target } from "./rules.js";

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

/** A UDP flow has a socket outside: there is none in a sinkhole. And every name server is our own resolver. */
const judge = ({ port, protocol }: Target): Decision => {
  if (protocol === "udp") return { verdict: "deny", rule: "sinkhole: UDP" };
  return port === dnsPort ? { verdict: "deny", rule: "sinkhole: DNS" } : into;
};

export const sinkholeRules: EgressJudge = {
  hasAllowedBelow: () => true,
  judgeName: () => into,
  judgeConnection: judge,
  judgeAddress: judge,
  judgeResolved: judge,
};
