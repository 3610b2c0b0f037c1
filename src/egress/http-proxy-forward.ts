import { formatAuthority } from "./authority.js";
import type { HttpRequest } from "./http-request.js";
import type { ProxyTarget } from "./proxy-target.js";

/** RFC 9110, section 7.6.1: for this connection only. */
const hopByHop = ["connection", "keep-alive", "proxy-connection", "proxy-authorization", "te"];
/** A Connection field must not take away what the request was judged by. */
const kept = ["host", "content-length", "transfer-encoding"];

/** The head that a proxy sends for a request in absolute form: origin form, the target's Host, the connection closed after it. */
export function forwardedHead(
  { method, target, version, headers, framing }: HttpRequest,
  destination: ProxyTarget,
): { readonly head: Buffer } | { readonly problem: string } {
  const nominated = headers
    .filter(({ name }) => name === "connection")
    .flatMap(({ value }) =>
      value
        .toLowerCase()
        .split(",")
        .map((option) => option.trim()),
    );
  if (nominated.some((name) => kept.includes(name)))
    return { problem: "a Connection field that names what must stay" };
  const dropped = new Set([...hopByHop, ...nominated, "host"]);
  if (framing.tunnel) dropped.delete("upgrade");

  const path = /^http:\/\/[^/?#]*([^#]*)/i.exec(target)?.[1] ?? "";
  const origin = path.startsWith("/") ? path : method === "OPTIONS" && path === "" ? "*" : `/${path}`;
  const host = formatAuthority({
    ...destination,
    port: destination.port === 80 ? undefined : destination.port,
  });
  const lines = [
    `${method} ${origin} HTTP/${version}`,
    `Host: ${host}`,
    ...headers.filter(({ name }) => !dropped.has(name)).map(({ line }) => line),
    `Connection: ${framing.tunnel ? "Upgrade" : "close"}`,
  ];
  return { head: Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1") };
}
