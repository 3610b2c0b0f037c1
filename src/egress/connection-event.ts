import type { ClientHello } from "./client-hello-body.js";
import type { HttpRequest } from "./http-request.js";
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

interface CloseEvent {
  readonly type: "net.close";
  /** From upstream to the program. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly reason: RelayEnd;
  /** What was refused has an event of its own. */
  readonly verdict: "allow";
}

type Verdict = Pick<TlsEvent, "verdict" | "reason">;

/** Without a hello where none could be read. */
export function tlsEvent(hello: ClientHello | undefined, verdict: Verdict): TlsEvent {
  return {
    type: "net.tls",
    serverName: hello?.serverName,
    alpn: hello?.alpn ?? [],
    encryptedClientHello: hello?.hasEncryptedClientHello ?? false,
    ...verdict,
  };
}

export function httpEvent(request: HttpRequest | undefined, verdict: Verdict): HttpEvent {
  const { host, port } = request?.authority ?? {};
  return {
    type: "net.http",
    method: request?.method,
    host: host === undefined || port === undefined ? host : `${host}:${port}`,
    target: request?.target,
    ...verdict,
  };
}
