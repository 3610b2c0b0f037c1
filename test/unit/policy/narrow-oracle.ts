import { isIP } from "node:net";

import type { Policy } from "../../../src/policy/policy.js";

/**
 * What a policy allows, decided in the dullest way that there is and sharing no code with src/policy: names by regular
 * expression, addresses as strings of bits, paths segment by segment.
 */

/** 0 nothing, 1 read, 2 overlay, 3 write. */
export function grantAt(policy: Policy, path: string): number {
  const { filesystem } = policy;
  if (filesystem.deny.some((grant) => isInside(grant.path, path))) return 0;
  const found: { depth: number; mode: number }[] = [];
  for (const [mode, grants] of [
    [1, filesystem.read],
    [2, filesystem.overlay],
    [3, filesystem.write],
  ] as const)
    for (const grant of grants)
      if (isInside(grant.path, path)) found.push({ depth: segments(grant.path).length, mode });
  found.sort((a, b) => b.depth - a.depth || b.mode - a.mode);
  return found[0]?.mode ?? 0;
}

export function allowsEgress(policy: Policy, host: string, port: number, protocol: "tcp" | "udp"): boolean {
  const { egress, egressDeny } = policy.network;
  const denied = egressDeny.some(
    (rule) =>
      rule.to.some((to) => matches(to, host)) &&
      (rule.ports.length === 0 || hasPort(rule.ports, port, protocol)),
  );
  return (
    !denied &&
    egress.some(
      (rule) =>
        rule.to.some((to) => matches(to, host)) &&
        !rule.except.some((hole) => matches(hole, host)) &&
        (rule.ports.length === 0 ? protocol === "tcp" && port !== 53 : opensPort(rule.ports, port, protocol)),
    )
  );
}

/** Port 53 has to stand by itself. */
function opensPort(ports: Ports, port: number, protocol: string): boolean {
  return hasPort(port === 53 ? ports.filter(({ first, last }) => first === last) : ports, port, protocol);
}

type Ports = Policy["network"]["egress"][number]["ports"];

function hasPort(ports: Ports, port: number, protocol: string): boolean {
  return ports.some((range) => range.protocol === protocol && port >= range.first && port <= range.last);
}

function matches(to: string, host: string): boolean {
  const [base = "", length] = to.split("/");
  if (isIP(base) !== 0) {
    if (isIP(host) !== isIP(base)) return false;
    const bits = addressBits(base).slice(0, length === undefined ? undefined : Number(length));
    return addressBits(host).startsWith(bits);
  }
  if (isIP(host) !== 0) return false;
  const pattern = to
    .toLowerCase()
    .replace(/\.$/, "")
    .split(".")
    .map((label) => (label === "**" ? "[^.]+(\\.[^.]+)*" : label === "*" ? "[^.]+" : label))
    .join("\\.");
  return new RegExp(`^${pattern}$`).test(host);
}

function addressBits(address: string): string {
  if (isIP(address) === 4)
    return address
      .split(".")
      .map((octet) => Number(octet).toString(2).padStart(8, "0"))
      .join("");
  const dotted = /[\d.]+\.[\d.]+$/.exec(address)?.[0];
  const hex =
    dotted === undefined
      ? address
      : address.replace(
          dotted,
          Buffer.from(dotted.split(".").map(Number))
            .toString("hex")
            .replace(/^(....)/, "$1:"),
        );
  const [head = "", tail = ""] = hex.split("::");
  const left = head.split(":").filter(Boolean);
  const right = tail.split(":").filter(Boolean);
  const groups = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => "0"), ...right];
  return groups.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0")).join("");
}

function isInside(outer: string, inner: string): boolean {
  const below = segments(inner);
  return segments(outer).every((segment, index) => below[index] === segment);
}

function segments(path: string): readonly string[] {
  return path.split("/").filter(Boolean);
}
