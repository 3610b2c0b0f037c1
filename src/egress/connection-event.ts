import type { RelayEnd } from "./relay.js";

/** What one connection adds to the record; whose connection it was is the caller's to add. */
export type ConnectionEvent = TlsEvent | HttpEvent | CloseEvent;

export interface TlsEvent {
  readonly type: "net.tls";
  readonly serverName: string | undefined;
  readonly alpn: readonly string[];
  readonly encryptedClientHello: boolean;
  readonly verdict: "allow" | "deny";
  /** Why it was refused, or could not be read. */
  readonly reason: string | undefined;
}

/** One for each request; the members are undefined where the head could not be read. */
export interface HttpEvent {
  readonly type: "net.http";
  readonly method: string | undefined;
  /** With the port where the request names one. */
  readonly host: string | undefined;
  readonly target: string | undefined;
  readonly verdict: "allow" | "deny";
  readonly reason: string | undefined;
}

export interface CloseEvent {
  readonly type: "net.close";
  /** From upstream to the program. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly reason: RelayEnd;
  /** What was refused has an event of its own. */
  readonly verdict: "allow";
}
