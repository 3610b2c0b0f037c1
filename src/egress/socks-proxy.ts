import { parseHost } from "./authority.js";
import { bytes } from "./handshake-reader.js";
import {
  openTarget,
  type ProxyClient,
  type ProxyOptions,
  ProxyRefusal,
  type ProxyTarget,
} from "./proxy-target.js";
import { addressText, replies } from "./socks.js";

/** Serves one connection as a SOCKS 5 proxy without authentication, CONNECT alone (RFC 1928). */
export async function serveSocks5(client: ProxyClient, options: ProxyOptions): Promise<void> {
  const { socket, reader } = client;
  const [, methodCount = 0] = await reader.take(bytes(2));
  const methods = await reader.take(bytes(methodCount));
  if (!methods.includes(0)) throw new ProxyRefusal(Buffer.from([5, 0xff]));
  socket.write(Buffer.from([5, 0]));

  const [version, command, , type = 0] = await reader.take(bytes(4));
  if (version !== 5) throw new ProxyRefusal(Buffer.alloc(0));
  const host = await readHost(client, type);
  if (host === undefined) throw new ProxyRefusal(reply(replies.addressTypeNotSupported));
  const port = (await reader.take(bytes(2))).readUInt16BE();
  if (command !== 1) throw new ProxyRefusal(reply(replies.commandNotSupported));
  const named = parseHost(host);
  if (named === undefined || port === 0) throw new ProxyRefusal(reply(replies.generalFailure));

  const target: ProxyTarget = { ...named, port };
  const opened = await openTarget(target, options);
  if (opened.kind === "refused") throw new ProxyRefusal(reply(replies.notAllowed));
  if (opened.kind === "failed") throw new ProxyRefusal(reply(replyFor(opened.errno)));
  socket.write(reply(replies.succeeded));
  await options.serve(target, socket, opened.upstream, reader.release());
}

/** SOCKS 4 and 4a have no names, or names without length: rejected in their own words. */
export const socks4Rejection: Buffer = Buffer.from([0, 0x5b, 0, 0, 0, 0, 0, 0]);

async function readHost({ reader }: ProxyClient, type: number): Promise<string | undefined> {
  if (type === 1) return addressText(await reader.take(bytes(4)));
  if (type === 4) return addressText(await reader.take(bytes(16)));
  if (type !== 3) return undefined;
  const [length = 0] = await reader.take(bytes(1));
  return (await reader.take(bytes(length))).toString("latin1");
}

function replyFor(errno: string): number {
  switch (errno) {
    case "ECONNREFUSED":
      return replies.connectionRefused;
    case "ENETUNREACH":
      return replies.networkUnreachable;
    case "EHOSTUNREACH":
      return replies.hostUnreachable;
    case "ETIMEDOUT":
      return replies.timedOut;
    default:
      return replies.generalFailure;
  }
}

/** The bound address is of no use to the program and none of its business. */
function reply(code: number): Buffer {
  return Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);
}
