import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";

import { listen } from "./loopback.js";

/** The ClientHello that this node's OpenSSL sends. */
export async function captureHello(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer();
  const port = await listen(server);
  const client = tls.connect({ ...options, host: "127.0.0.1", port });
  client.on("error", () => undefined);
  const accepted = new Promise<net.Socket>((resolve) => {
    server.once("connection", resolve);
  });
  const socket = await accepted;
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  const whole = (): Buffer => Buffer.concat(chunks);
  while (whole().length < 5 || whole().length < 5 + whole().readUInt16BE(3)) await once(socket, "data");
  client.destroy();
  socket.destroy();
  server.close();
  return whole();
}

export function vector(width: 1 | 2 | 3, ...parts: readonly (Buffer | readonly number[] | string)[]): Buffer {
  const content = Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))),
  );
  const length = Buffer.alloc(width);
  length.writeUIntBE(content.length, 0, width);
  return Buffer.concat([length, content]);
}

export interface HelloParts {
  readonly version?: readonly number[];
  readonly sessionId?: Buffer;
  readonly suites?: Buffer;
  readonly compression?: Buffer;
  readonly extensions?: readonly Buffer[] | "none";
  readonly after?: readonly number[];
}

/** A ClientHello message by hand, without its record. */
export function helloMessage(parts: HelloParts = {}): Buffer {
  const extensions = parts.extensions ?? [];
  return Buffer.concat([
    Buffer.from([1]),
    vector(
      3,
      parts.version ?? [3, 3],
      Buffer.alloc(32, 7),
      parts.sessionId ?? vector(1),
      parts.suites ?? vector(2, [0x0a, 0x0a, 0x13, 0x01]),
      parts.compression ?? vector(1, [0]),
      extensions === "none" ? [] : vector(2, ...extensions),
      parts.after ?? [],
    ),
  ]);
}

export function extension(type: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, content)]);
}

export function serverName(...names: readonly string[]): Buffer {
  return extension(0, vector(2, ...names.map((name) => Buffer.concat([Buffer.from([0]), vector(2, name)]))));
}

export function record(content: Buffer, type = 22, version: readonly number[] = [3, 1]): Buffer {
  return Buffer.concat([Buffer.from([type, ...version]), vector(2, content)]);
}

/** One message cut into records of so many bytes. */
export function records(message: Buffer, bytes: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += bytes) parts.push(record(message.subarray(at, at + bytes)));
  return Buffer.concat(parts);
}
