import type net from "node:net";

import type { Authority } from "./authority.js";
import { DialError } from "./dial.js";
import type { HandshakeReader } from "./handshake-reader.js";

/** Where a program asks a proxy to connect to: parsed once, and passed on as parsed. */
export interface ProxyTarget extends Authority {
  readonly port: number;
}

/** The name that was asked for; undefined for an address. */
export function nameOf({ kind, host }: Authority): string | undefined {
  return kind === "name" ? host : undefined;
}

export interface ProxyOptions {
  /** Judges, resolves and dials. A DialError is told as what the network said, `refused` as our own decision. */
  readonly open: (target: ProxyTarget) => Promise<net.Socket | { readonly refused: string }>;
  /** Relays from here on, to the end (serveConnection). `early` is what the program has sent for upstream already. */
  readonly serve: (
    target: ProxyTarget,
    inside: net.Socket,
    upstream: net.Socket,
    early: Buffer,
  ) => Promise<unknown>;
  /** From the first byte to the complete request. */
  readonly handshakeTimeoutMs?: number;
}

/** A connection whose program speaks a proxy protocol, before the request is known. */
export interface ProxyClient {
  readonly socket: net.Socket;
  readonly reader: HandshakeReader;
}

export type Opened =
  | { readonly kind: "open"; readonly upstream: net.Socket }
  | { readonly kind: "refused"; readonly why: string }
  /** The network's answer: ECONNREFUSED, EHOSTUNREACH… */
  | { readonly kind: "failed"; readonly errno: string };

/** Fails as a value: each protocol has words of its own for it. */
export async function openTarget(target: ProxyTarget, { open }: ProxyOptions): Promise<Opened> {
  try {
    const answer = await open(target);
    return "refused" in answer
      ? { kind: "refused", why: answer.refused }
      : { kind: "open", upstream: answer };
  } catch (error) {
    if (error instanceof DialError) return { kind: "failed", errno: error.errno };
    throw error;
  }
}

/** Ends a proxy's connection with these last bytes. */
export class ProxyRefusal extends Error {
  override readonly name = "ProxyRefusal";
  readonly answer: Buffer;

  constructor(answer: Buffer) {
    super("refused in the words of the proxy's protocol");
    this.answer = answer;
  }
}
