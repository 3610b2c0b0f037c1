import type net from "node:net";

import { formatAuthority } from "./authority.js";
import { dial, DialError } from "./dial.js";
import { HandshakeError, HandshakeReader } from "./handshake-reader.js";
import { resetSocket } from "./relay-close.js";
import { RelaySocket } from "./relay-socket.js";
import type { ProxyTarget } from "./proxy-target.js";
import { connectBySocks5 } from "./upstream-proxy-socks.js";
import { formatProxy, type UpstreamProxy } from "./upstream-proxy-url.js";

export interface ProxiedDialOptions {
  readonly proxy: UpstreamProxy;
  /** Of the proxy itself. */
  readonly proxyAddresses: readonly string[];
  /** A name is resolved by the proxy, and what it resolves to cannot be judged here. */
  readonly target: ProxyTarget;
  readonly signal: AbortSignal;
  /** Until the proxy has said yes. */
  readonly timeoutMs: number;
}

/** Connects through another proxy: HTTP CONNECT or SOCKS 5. Fails with a DialError, whose errno is what the proxy's answer amounts to. */
export async function dialThroughProxy(options: ProxiedDialOptions): Promise<net.Socket> {
  const { proxy, target, signal, timeoutMs } = options;
  const started = performance.now();
  const socket = await dial({ addresses: options.proxyAddresses, port: proxy.proxy.port, signal, timeoutMs });
  const reader = new HandshakeReader(socket, Math.max(1, timeoutMs - (performance.now() - started)));
  const abort = (): void => {
    socket.destroy();
  };
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    await (proxy.kind === "http" ? connectByHttp : connectBySocks5)(socket, reader, proxy, target);
    const early = reader.release();
    if (socket instanceof RelaySocket) socket.putBack(early);
    else if (early.length > 0) socket.unshift(early);
    return socket;
  } catch (error) {
    reader.release();
    resetSocket(socket);
    const errno = error instanceof HandshakeError || error instanceof DialError ? error.errno : undefined;
    if (errno === undefined) throw error;
    throw new DialError(signal.aborted ? "ECANCELED" : errno, [{ address: formatProxy(proxy), errno }]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** CONNECT with Basic authentication where there is a user (RFC 9110, section 9.3.6; RFC 7617). */
async function connectByHttp(
  socket: net.Socket,
  reader: HandshakeReader,
  { user, password }: UpstreamProxy,
  target: ProxyTarget,
): Promise<void> {
  const authority = formatAuthority(target);
  const credentials = Buffer.from(`${user ?? ""}:${password ?? ""}`).toString("base64");
  const lines = [
    `CONNECT ${authority} HTTP/1.1`,
    `Host: ${authority}`,
    ...(user === undefined ? [] : [`Proxy-Authorization: Basic ${credentials}`]),
  ];
  socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  const head = await reader.take((bytes) => {
    const end = bytes.indexOf("\r\n\r\n");
    return end < 0 ? undefined : { value: bytes.toString("latin1", 0, end), length: end + 4 };
  });
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |\r\n|$)/.exec(head)?.[1]);
  if (status >= 200 && status < 300) return;
  throw new DialError(errnoOf(status), []);
}

/** A program that knows of no proxy hears its own language: refused, unreachable, timed out. */
function errnoOf(status: number): string {
  if (Number.isNaN(status)) return "EPROTO";
  if (status === 504) return "ETIMEDOUT";
  return status === 502 || status === 503 ? "EHOSTUNREACH" : "ECONNREFUSED";
}
