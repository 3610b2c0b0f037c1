import type { Target } from "./rules.js";

/** A rule to add that allows the name, on the port that was asked or, while none is known, on the most likely. */
export function nameHint(name: string, target: Target = { port: 443, protocol: "tcp" }): string {
  return `network.egress: [{ to: ["${name}"], ports: [${portText(target)}] }]`;
}

/**
 * The same for an address. The host's own ports are better forwarded one by one than opened as an address; nobody is
 * talked into opening a metadata service, which gives credentials to whoever asks.
 */
export function addressHint(
  address: string,
  target: Target,
  special: string | undefined,
): string | undefined {
  if (special?.startsWith("metadata") === true) return undefined;
  if (special === "loopback" && target.protocol === "tcp") {
    const host = address.includes(":") ? `[${address}]` : address;
    return `network.forward: ["${target.port}:${host}:${target.port}"]`;
  }
  return `network.egress: [{ to: ["${address}"], ports: [${portText(target)}] }]`;
}

function portText({ port, protocol }: Target): string {
  return protocol === "udp" ? `"${port}/udp"` : String(port);
}
