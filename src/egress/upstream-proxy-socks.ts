import net from "node:net";

import { DialError } from "./dial.js";
import { bytes, type HandshakeReader } from "./handshake-reader.js";
import type { ProxyTarget } from "./proxy-target.js";
import { addressBytes, replies } from "./socks.js";
import type { UpstreamProxy } from "./upstream-proxy-url.js";

/** The client's side of RFC 1928, with RFC 1929 where there is a user. */
export async function connectBySocks5(
  socket: net.Socket,
  reader: HandshakeReader,
  { user, password }: UpstreamProxy,
  target: ProxyTarget,
): Promise<void> {
  socket.write(Buffer.from(user === undefined ? [5, 1, 0] : [5, 2, 0, 2]));
  const [version, method] = await reader.take(bytes(2));
  if (version !== 5) throw new DialError("EPROTO", []);
  if (method === 2 && user !== undefined) {
    socket.write(Buffer.concat([Buffer.from([1]), shortString(user), shortString(password ?? "")]));
    const [, status] = await reader.take(bytes(2));
    if (status !== 0) throw new DialError("ECONNREFUSED", []);
  } else if (method !== 0) {
    throw new DialError("ECONNREFUSED", []);
  }

  const port = Buffer.alloc(2);
  port.writeUInt16BE(target.port);
  socket.write(Buffer.concat([Buffer.from([5, 1, 0]), destination(target), port]));
  const [, reply, , type] = await reader.take(bytes(4));
  if (reply !== replies.succeeded) throw new DialError(errnoOf(reply ?? replies.generalFailure), []);
  const length = type === 4 ? 16 : type === 1 ? 4 : (await reader.take(bytes(1)))[0];
  await reader.take(bytes((length ?? 0) + 2));
}

function destination({ kind, host }: ProxyTarget): Buffer {
  if (kind === "name") return Buffer.concat([Buffer.from([3]), shortString(host)]);
  return Buffer.concat([Buffer.from([net.isIPv4(host) ? 1 : 4]), addressBytes(host)]);
}

function shortString(text: string): Buffer {
  const content = Buffer.from(text);
  if (content.length > 255) throw new DialError("ECONNREFUSED", []);
  return Buffer.concat([Buffer.from([content.length]), content]);
}

function errnoOf(reply: number): string {
  switch (reply) {
    case replies.networkUnreachable:
      return "ENETUNREACH";
    case replies.hostUnreachable:
      return "EHOSTUNREACH";
    case replies.timedOut:
      return "ETIMEDOUT";
    default:
      return "ECONNREFUSED";
  }
}
