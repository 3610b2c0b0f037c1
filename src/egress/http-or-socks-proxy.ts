import type net from "node:net";

import { HandshakeError, HandshakeReader } from "./handshake-reader.js";
import { serveHttpProxy } from "./http-proxy.js";
import { type ProxyOptions, ProxyRefusal } from "./proxy-target.js";
import { closeAfter, resetSocket } from "./relay-close.js";
import { serveSocks5, socks4Rejection } from "./socks-proxy.js";

const defaultHandshakeTimeoutMs = 10_000;

/**
 * Serves a program that insists on a proxy, under the rules that hold without one: HTTP or SOCKS 5 on one port, told apart by the
 * first byte. Resolves when the connection is closed or handed to `serve` and done.
 */
export async function serveProxyClient(socket: net.Socket, options: ProxyOptions): Promise<void> {
  socket.allowHalfOpen = true;
  const reader = new HandshakeReader(socket, options.handshakeTimeoutMs ?? defaultHandshakeTimeoutMs);
  const client = { socket, reader };
  try {
    const version = await reader.take((bytes) =>
      bytes[0] === undefined ? undefined : { value: bytes[0], length: 0 },
    );
    if (version === 4) throw new ProxyRefusal(socks4Rejection);
    if (version === 5) await serveSocks5(client, options);
    else await serveHttpProxy(client, options);
  } catch (error) {
    reader.release();
    if (error instanceof ProxyRefusal) {
      closeAfter(socket, error.answer);
      socket.resume();
      return;
    }
    resetSocket(socket);
    if (!(error instanceof HandshakeError)) throw error;
  }
}
