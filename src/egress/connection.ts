import type net from "node:net";

import type { ConnectionEvent } from "./connection-event.js";
import { ConnectionGate } from "./connection-gate.js";
import type { Agreement } from "./connection-judge.js";
import { relay, type Relay, type RelayResult } from "./relay.js";

export interface ConnectionOptions extends Omit<Agreement, "name"> {
  /** Accepted in the sandbox; nothing was read from it. */
  readonly inside: net.Socket;
  readonly upstream: net.Socket;
  /** What the program connected to: its name, or undefined for a literal address, where names are recorded and not compared. */
  readonly name: string | undefined;
  /** What the program has sent before (to a proxy of ours); it is judged like the rest. */
  readonly early?: Buffer;
  readonly onEvent: (event: ConnectionEvent) => void;
  readonly timeouts?: EgressTimeouts | undefined;
  readonly maxBytes?: number;
  /** Asked for every chunk; false ends the connection. */
  readonly spend?: (bytes: number) => boolean;
}

/** How long a part of a connection may take. */
export interface EgressTimeouts {
  /** Until upstream has answered; then the program sees ETIMEDOUT. Default: 30 s. */
  readonly dialMs?: number | undefined;
  /** From the first byte of a TLS hello or a request head to its last. Default: 10 s. */
  readonly handshakeMs?: number | undefined;
  /** Without a byte in either direction. Default: 10 min, 5 min for a UDP flow. */
  readonly idleMs?: number | undefined;
}

const defaultHandshakeTimeoutMs = 10_000;
const defaultIdleTimeoutMs = 10 * 60_000;

/**
 * Relays one connection from its first byte to its close, and sees to it that what is asked for within is what it was allowed for.
 * Upstream's bytes flow from the start. On disagreement both sides are reset; over plain HTTP the program gets a 403 that says why.
 */
export async function serveConnection(options: ConnectionOptions): Promise<RelayResult> {
  const { name, upstream, onEvent } = options;
  const gate = new ConnectionGate({
    agreement: name === undefined ? undefined : { ...options, name },
    handshakeTimeoutMs: options.timeouts?.handshakeMs ?? defaultHandshakeTimeoutMs,
    onEvent,
    refuse: (why, protocol) => {
      gate.close();
      if (protocol === "tls") line.reset("refused");
      else line.answer(protocol === "http" ? forbidden(why) : goAway(why));
    },
    forward: (bytes) => {
      if (upstream.writable) upstream.write(bytes);
    },
  });
  const line: Relay = relay({
    ...options,
    idleTimeoutMs: options.timeouts?.idleMs ?? defaultIdleTimeoutMs,
    gate,
  });
  const result = await line.closed;
  gate.close();
  onEvent({ type: "net.close", verdict: "allow", ...result });
  return result;
}

function forbidden(why: string): Buffer {
  const body = `skillbox: ${why}\n`;
  const head = [
    "HTTP/1.1 403 Forbidden",
    "Content-Type: text/plain; charset=utf-8",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
  ];
  return Buffer.from(`${head.join("\r\n")}\r\n\r\n${body}`);
}

/** RFC 9113: a server begins with SETTINGS, and HTTP_1_1_REQUIRED lets a client try again with that. */
function goAway(why: string): Buffer {
  const [settings, goaway, http11Required] = [4, 7, 0xd];
  const lastStreamAndCode = Buffer.alloc(8);
  lastStreamAndCode.writeUInt32BE(http11Required, 4);
  const told = Buffer.concat([lastStreamAndCode, Buffer.from(`skillbox: ${why}`)]);
  return Buffer.concat([connectionFrame(settings, Buffer.alloc(0)), connectionFrame(goaway, told)]);
}

/** Length, type, no flags, stream 0. */
function connectionFrame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  return Buffer.concat([head, payload]);
}
