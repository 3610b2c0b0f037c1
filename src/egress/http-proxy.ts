import type { Recognize } from "./handshake-reader.js";
import { forwardedHead } from "./http-proxy-forward.js";
import { type HttpHeadResult, HttpHeadParser, type HttpRequest } from "./http-request.js";
import {
  openTarget,
  type ProxyClient,
  type ProxyOptions,
  ProxyRefusal,
  type ProxyTarget,
} from "./proxy-target.js";

/**
 * Serves one connection as an HTTP proxy: CONNECT (RFC 9110, section 9.3.6), and requests in absolute form for http: URLs (RFC
 * 9112, section 3.2.2). Of the latter one a connection: the answer closes it, so that no request goes where another one was
 * allowed to.
 */
export async function serveHttpProxy({ socket, reader }: ProxyClient, options: ProxyOptions): Promise<void> {
  const head = await reader.take(wholeHead());
  if (head.kind !== "request")
    throw refusal(400, head.kind === "malformed" ? head.why : "HTTP/2 without TLS");
  const { request } = head;
  const target = targetOf(request);
  if (target === undefined)
    throw refusal(400, "this is a proxy: it takes CONNECT and http: URLs with a port from 1 to 65535");
  const forwarded = request.method === "CONNECT" ? undefined : forwardedHead(request, target);
  if (forwarded !== undefined && "problem" in forwarded) throw refusal(400, forwarded.problem);

  const opened = await openTarget(target, options);
  if (opened.kind === "refused") throw refusal(403, opened.why);
  if (opened.kind === "failed") {
    const status = opened.errno === "ETIMEDOUT" ? 504 : 502;
    throw refusal(status, `${target.host}:${target.port} ${opened.errno}`);
  }
  if (forwarded === undefined) socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
  const rest = reader.release();
  const early = forwarded === undefined ? rest : Buffer.concat([forwarded.head, rest]);
  await options.serve(target, socket, opened.upstream, early);
}

function wholeHead(): Recognize<Exclude<HttpHeadResult, { kind: "need-more" }>> {
  const parser = new HttpHeadParser();
  return (bytes) => {
    const result = parser.push(bytes.subarray(parser.collected.length));
    if (result.kind === "need-more") return undefined;
    return { value: result, length: result.kind === "request" ? result.length : 0 };
  };
}

function targetOf({ method, target, authority }: HttpRequest): ProxyTarget | undefined {
  const isUrl = /^http:\/\//i.test(target);
  if (authority === undefined || (method !== "CONNECT" && !isUrl)) return undefined;
  const port = authority.port ?? (isUrl ? 80 : undefined);
  return port === undefined ? undefined : { ...authority, port };
}

const reasons: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  502: "Bad Gateway",
  504: "Gateway Timeout",
};

function refusal(status: number, why: string): ProxyRefusal {
  const body = Buffer.from(`skillbox: ${why}\n`);
  const head = [
    `HTTP/1.1 ${status} ${reasons[status] ?? "Error"}`,
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${body.length}`,
    "Connection: close",
  ];
  return new ProxyRefusal(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]));
}
