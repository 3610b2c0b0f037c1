import type { ClientHello } from "./client-hello-body.js";
import { type ConnectionEvent, httpEvent, tlsEvent } from "./connection-event.js";
import type { HttpRequest } from "./http-request.js";

export interface Agreement {
  /** The name that the program connected to, as the rules know it: lower-case A-labels without trailing dot. */
  readonly name: string;
  readonly port: number;
  /** A hello without a name reaches whatever the pinned address serves by default. Refused unless set. */
  readonly allowMissingServerName?: boolean;
  /**
   * Browsers send GREASE that looks like Encrypted ClientHello, so it is let pass by default, judged by the outer name. The resolver
   * gives out no keys for the real thing.
   */
  readonly refuseEncryptedClientHello?: boolean;
}

/**
 * Judges and records what is asked for over one connection. Each answer is why it is refused, undefined where it may pass; without an
 * agreement (a connection to an address) everything may.
 */
export class ConnectionJudge {
  readonly #agreement: Agreement | undefined;
  readonly #onEvent: (event: ConnectionEvent) => void;

  constructor(agreement: Agreement | undefined, onEvent: (event: ConnectionEvent) => void) {
    this.#agreement = agreement;
    this.#onEvent = onEvent;
  }

  hello(hello: ClientHello): string | undefined {
    const why = this.#agreement === undefined ? undefined : judgeHello(hello, this.#agreement);
    this.#onEvent(tlsEvent(hello, verdict(why)));
    return why;
  }

  request(request: HttpRequest): string | undefined {
    const why = this.#agreement === undefined ? undefined : judgeRequest(request, this.#agreement);
    this.#onEvent(httpEvent(request, verdict(why)));
    return why;
  }

  /** What cannot be read cannot be judged. */
  unreadable(protocol: "tls" | "http", problem: string): string | undefined {
    const why = this.#agreement === undefined ? undefined : problem;
    const seen = { ...verdict(why), reason: problem };
    this.#onEvent(protocol === "tls" ? tlsEvent(undefined, seen) : httpEvent(undefined, seen));
    return why;
  }
}

function verdict(why: string | undefined): {
  readonly verdict: "allow" | "deny";
  readonly reason: string | undefined;
} {
  return { verdict: why === undefined ? "allow" : "deny", reason: why };
}

/** Why a hello does not fit the name that its connection was allowed for; undefined where it does. */
function judgeHello(hello: ClientHello, agreement: Agreement): string | undefined {
  if (hello.serverName === undefined)
    return (agreement.allowMissingServerName ?? false) ? undefined : "the TLS hello names no server";
  if (hello.serverName !== agreement.name)
    return `the TLS hello asks for ${hello.serverName}, the connection is to ${agreement.name}`;
  if (hello.hasEncryptedClientHello && (agreement.refuseEncryptedClientHello ?? false))
    return "the TLS hello hides the name that it asks for (ECH)";
  return undefined;
}

/** The same for an HTTP request. */
function judgeRequest({ authority }: HttpRequest, agreement: Agreement): string | undefined {
  if (authority === undefined) return "the request names no host";
  if (authority.host !== agreement.name)
    return `the request is for ${authority.host}, the connection is to ${agreement.name}`;
  if (authority.port !== undefined && authority.port !== agreement.port)
    return `the request is for port ${authority.port}, the connection is to ${agreement.port}`;
  return undefined;
}
