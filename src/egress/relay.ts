import type net from "node:net";

import { closeAfter, ifNotReset, resetAfterWrites, resetSocket } from "./relay-close.js";
import { startFlow } from "./relay-flow.js";

/** Why a relay came to its end. */
export type RelayEnd =
  /** Both sides closed in good order. */
  | "ended"
  | "reset-by-program"
  | "reset-by-upstream"
  | "idle"
  | "byte-limit"
  /** The supervisor ended it: the policy, or the end of the run. */
  | "refused";

export interface RelayResult {
  /** From upstream to the program. */
  readonly bytesIn: number;
  /** From the program to upstream. */
  readonly bytesOut: number;
  readonly reason: RelayEnd;
}

/** Stands between the program and upstream: what it returns goes on, what it keeps it must copy. */
export interface OutboundGate {
  push(chunk: Buffer): Buffer | undefined;
  /** The program has closed its side: what was kept back may go on or not. */
  end(): Buffer | undefined;
}

export interface RelayOptions {
  readonly inside: net.Socket;
  readonly upstream: net.Socket;
  /** Without a byte in either direction for so long, both sides are reset. */
  readonly idleTimeoutMs: number;
  /** Of this connection, both directions together. */
  readonly maxBytes?: number;
  /** Asked for every chunk; false ends the relay as `byte-limit`. For a budget that connections share. */
  readonly spend?: (bytes: number) => boolean;
  readonly gate?: OutboundGate;
  /** What the program has sent before; it goes first, and through the gate. */
  readonly early?: Buffer;
}

export interface Relay {
  readonly closed: Promise<RelayResult>;
  /** Resets what is still open, at once. */
  reset(reason: RelayEnd): void;
  /** Answers the program in upstream's place with these last bytes, and resets upstream. */
  answer(bytes: Buffer): void;
}

/**
 * Joins two connected sockets until both are closed. FIN goes through as FIN, one direction at a time; RST as RST, after the
 * bytes that came before it. Both may have failed or ended before the relay begins, as long as nothing was read from them.
 */
export function relay(options: RelayOptions): Relay {
  const { inside, upstream, gate } = options;
  let bytesIn = 0;
  let bytesOut = 0;
  let reason: RelayEnd | undefined;
  let lastActive = performance.now();
  let resolve: (result: RelayResult) => void;
  const closed = new Promise<RelayResult>((done) => {
    resolve = done;
  });

  const reset = (why: RelayEnd): void => {
    reason ??= why;
    resetSocket(inside);
    resetSocket(upstream);
  };
  const overBudget = (count: number): boolean => {
    lastActive = performance.now();
    const within = bytesIn + bytesOut <= (options.maxBytes ?? Infinity) && (options.spend?.(count) ?? true);
    if (!within) reset("byte-limit");
    return !within;
  };
  const answer = (bytes: Buffer): void => {
    reason ??= "refused";
    resetSocket(upstream);
    closeAfter(inside, bytes);
  };

  const watch = (socket: net.Socket, other: net.Socket, why: RelayEnd): void => {
    const ended = (): void => {
      const last = socket === inside ? gate?.end() : undefined;
      if (reason !== undefined) return;
      if (last !== undefined && last.length > 0) other.write(last);
      other.end();
    };
    // What libuv calls an end can be an RST that came together with bytes.
    const maybeEnded = (): void => ifNotReset(socket, ended);
    // After what came early.
    if (socket.readableEnded) setImmediate(maybeEnded);
    else socket.once("end", maybeEnded);
    // An error is always followed by "close".
    socket.on("error", () => {
      reason ??= why;
    });
    const gone = (): void => {
      const whole = socket.readableEnded && socket.writableFinished && !socket.errored;
      if (!whole) reason ??= why;
      if (other.closed) finish();
      else if (reason !== undefined && !answering(reason)) resetAfterWrites(other);
    };
    if (socket.closed) queueMicrotask(gone);
    else socket.once("close", gone);
  };
  const answering = (why: RelayEnd): boolean => why === "refused" && !inside.destroyed;
  const finish = (): void => {
    clearTimeout(timer);
    resolve({ bytesIn, bytesOut, reason: reason ?? "ended" });
  };

  const idle = (): void => {
    const left = lastActive + options.idleTimeoutMs - performance.now();
    if (left <= 0) reset("idle");
    else timer = setTimeout(idle, left).unref();
  };
  let timer = setTimeout(idle, options.idleTimeoutMs).unref();

  inside.allowHalfOpen = true;
  upstream.allowHalfOpen = true;
  watch(inside, upstream, "reset-by-program");
  watch(upstream, inside, "reset-by-upstream");
  startFlow(upstream, inside, (chunk) => {
    if (reason !== undefined) return undefined;
    bytesIn += chunk.length;
    return overBudget(chunk.length) ? undefined : chunk;
  });
  const takeOutbound = (chunk: Buffer): Buffer | undefined => {
    if (reason !== undefined) return undefined;
    bytesOut += chunk.length;
    if (overBudget(chunk.length)) return undefined;
    return gate === undefined ? chunk : gate.push(chunk);
  };
  startFlow(inside, upstream, takeOutbound, options.early);
  return { closed, reset, answer };
}
