import { parseAddress } from "./cidr.js";
import { quoted } from "./display.js";
import type { Parsed } from "./parsed.js";
import type { PortForward, PortRange } from "./policy.js";

export const portPattern = "^[0-9]{1,5}(-[0-9]{1,5})?(/(tcp|udp))?$";
export const forwardPattern = "^[0-9]{1,5}:(\\[[0-9A-Fa-f:.]+\\]|[0-9.]+):[0-9]{1,5}$";

/** 443, "443/udp", "8000-8100", "8000-8100/udp"; the protocol is TCP unless it is written. */
export function parsePorts(written: number | string): Parsed<PortRange> {
  const text = String(written);
  const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/([A-Za-z]+))?$/.exec(text);
  if (match === null)
    return { problem: `${quoted(text)} is not a port: write 443, "443/udp", "8000-8100" or "8000-8100/udp"` };
  const [, low = "", high = low, protocol = "tcp"] = match;
  if (protocol !== "tcp" && protocol !== "udp")
    return { problem: `${quoted(text)}: the protocol of a port is tcp or udp` };
  const first = Number(low);
  const last = Number(high);
  if (first > last)
    return { problem: `${quoted(text)} ends before it starts; did you mean \`${high}-${low}\`?` };
  if (first < 1 || last > 65535) return { problem: `${quoted(text)}: ports are from 1 to 65535` };
  return { value: { first, last, protocol } };
}

/** "5432:127.0.0.1:5432" or "5432:[::1]:5432": the port to listen on, and the address and port it leads to. */
export function parseForward(text: string): Parsed<PortForward> {
  const match = /^(\d{1,5}):(\[[^\]]*\]|[^:[\]]*):(\d{1,5})$/.exec(text);
  if (match === null)
    return {
      problem: `${quoted(text)} is not a forwarding: write LISTEN:ADDRESS:PORT, such as "5432:127.0.0.1:5432"`,
    };
  const [, listen = "", bracketed = "", target = ""] = match;
  const host = bracketed.startsWith("[") ? bracketed.slice(1, -1) : bracketed;
  const address = parseAddress(host);
  if ("problem" in address) {
    const meant = host === "localhost" ? `; did you mean \`${listen}:127.0.0.1:${target}\`?` : "";
    return { problem: meant === "" ? address.problem : `${quoted(host)} is not an address${meant}` };
  }
  const listenPort = Number(listen);
  const port = Number(target);
  if (!isPort(listenPort) || !isPort(port)) return { problem: `${quoted(text)}: ports are from 1 to 65535` };
  return { value: { listenPort, host, port } };
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65535;
}
