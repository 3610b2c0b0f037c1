import net from "node:net";

import { RelaySocket } from "./relay-socket.js";

export interface DialOptions {
  /** Already judged, in the order of preference; none is ever resolved here. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly signal: AbortSignal;
  /** For all attempts together. */
  readonly timeoutMs: number;
  /** Begins one attempt. It must not read before the socket is handed on. */
  readonly connect?: (address: string, port: number) => net.Socket;
}

/** Why no address could be reached: `errno` is what the program's own connect() would have said ("ECONNREFUSED"). */
export class DialError extends Error {
  override readonly name = "DialError";
  readonly errno: string;
  readonly attempts: readonly DialAttempt[];

  constructor(errno: string, attempts: readonly DialAttempt[]) {
    const tried = attempts.map(({ address, errno: how }) => `${address} ${how}`).join(", ");
    super(`${errno}${tried === "" ? "" : ` (${tried})`}`);
    this.errno = errno;
    this.attempts = attempts;
  }
}

export interface DialAttempt {
  readonly address: string;
  readonly errno: string;
}

/** RFC 8305, section 5: the Connection Attempt Delay. */
const attemptDelayMs = 250;

/**
 * The first of several addresses to answer: families in turn, a new attempt every 250 ms or as soon as one fails, the rest
 * destroyed (RFC 8305, "Happy Eyeballs"). The socket is half-open capable and not yet reading.
 */
export async function dial(options: DialOptions): Promise<net.Socket> {
  const { port, signal, timeoutMs, connect = connectDirectly } = options;
  const queue = interleaveFamilies(options.addresses);
  const racing = new Set<net.Socket>();
  const failed: DialAttempt[] = [];

  return await new Promise<net.Socket>((resolve, reject) => {
    let nextAttempt: NodeJS.Timeout | undefined;
    const settle = (winner?: net.Socket): void => {
      clearTimeout(nextAttempt);
      clearTimeout(deadline);
      signal.removeEventListener("abort", aborted);
      for (const socket of racing) if (socket !== winner) socket.destroy();
      racing.clear();
    };
    const fail = (errno: string): void => {
      settle();
      reject(new DialError(errno, failed));
    };
    const aborted = (): void => fail("ECANCELED");
    const deadline = setTimeout(() => fail(mostTelling([...failed, { errno: "ETIMEDOUT" }])), timeoutMs);

    const attempt = (): void => {
      clearTimeout(nextAttempt);
      const address = queue.shift();
      if (address === undefined) return;
      const socket = connect(address, port);
      racing.add(socket);
      // It stays on the socket: a connection can fail between here and the relay, and nobody else would listen yet.
      socket.on("error", (error) => {
        if (!racing.delete(socket)) return;
        failed.push({ address, errno: errnoOf(error) });
        if (queue.length > 0) attempt();
        else if (racing.size === 0) fail(mostTelling(failed));
      });
      socket.once("connect", () => {
        if (!racing.has(socket)) return;
        settle(socket);
        resolve(socket);
      });
      if (queue.length > 0) nextAttempt = setTimeout(attempt, attemptDelayMs);
    };

    signal.addEventListener("abort", aborted, { once: true });
    if (signal.aborted) aborted();
    else if (queue.length === 0) fail("EADDRNOTAVAIL");
    else attempt();
  });
}

function connectDirectly(address: string, port: number): net.Socket {
  return new RelaySocket()
    .setNoDelay(true)
    .connect({ host: address, port, family: net.isIP(address), lookup: neverResolve });
}

/** An address needs no lookup: what does is none, and must not reach the host's resolver. */
const neverResolve: net.LookupFunction = (_name, _options, done) => {
  done(Object.assign(new Error("only addresses are dialled"), { code: "EADDRNOTAVAIL" }), "");
};

/** RFC 8305, section 4: the families alternate, beginning with that of the first address. */
function interleaveFamilies(addresses: readonly string[]): string[] {
  const first = addresses.filter((address) => net.isIP(address) === net.isIP(addresses[0] ?? ""));
  const second = addresses.filter((address) => !first.includes(address));
  const mixed: string[] = [];
  for (let index = 0; index < Math.max(first.length, second.length); index++)
    mixed.push(...first.slice(index, index + 1), ...second.slice(index, index + 1));
  return mixed;
}

/**
 * The host that refused says more than a router's word, that more than silence, and silence more than a family which this host
 * has no route for.
 */
const telling = ["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "EACCES", "EPERM", "ETIMEDOUT", "ENETUNREACH"];

function mostTelling(failures: readonly { readonly errno: string }[]): string {
  const seen = failures.map(({ errno }) => errno);
  return telling.find((errno) => seen.includes(errno)) ?? seen[0] ?? "ETIMEDOUT";
}

function errnoOf(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : "EIO";
}
