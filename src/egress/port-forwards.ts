import { once } from "node:events";
import net from "node:net";
import { SkillboxError } from "../errors.js";
import type { Binding } from "../native/binding.js";
import type { PortForward } from "../policy/policy.js";
import type { Budget } from "./budget.js";
import { type EgressTimeouts, serveConnection } from "./connection.js";
import { dial, DialError } from "./dial.js";
import type { Ledger } from "./ledger.js";
import type { Links } from "./links.js";
import type { Listeners } from "./listeners.js";
import { resetSocket } from "./relay-close.js";
import { RelaySocket } from "./relay-socket.js";
import type { SocketStock } from "./socket-stock.js";

export interface PortForwardsOptions {
  readonly binding: Pick<Binding, "closeFd">;
  readonly ledger: Ledger;
  readonly budget: Budget;
  readonly links: Links;
  readonly listeners: Listeners;
  readonly stock: SocketStock;
  readonly signal: AbortSignal;
  readonly timeouts: EgressTimeouts;
}

const dialTimeoutMs = 30_000;

interface Ends {
  readonly inside: net.Socket;
  readonly upstream: net.Socket;
}

/**
 * Single ports that the policy opens between host and sandbox, in either direction: no rule is asked, and nothing within is
 * looked at.
 */
export class PortForwards {
  readonly #options: PortForwardsOptions;
  readonly #servers: net.Server[] = [];

  constructor(options: PortForwardsOptions) {
    this.#options = options;
  }

  /** Opens a port on the sandbox's 127.0.0.1 that leads to the host. */
  async forward({ listenPort, host, port }: PortForward): Promise<void> {
    const { listeners, signal } = this.#options;
    await listeners.serve("127.0.0.1", listenPort, (inside) => {
      this.#serve("forward", inside, { host, port }, async () => {
        const upstream = await dial({ addresses: [host], port, signal, timeoutMs: dialTimeoutMs });
        return { inside, upstream };
      });
    });
  }

  /** Opens a port on the host's 127.0.0.1 that leads into the sandbox. Throws ERR_HOST where that port is taken. */
  async publish({ listenPort, host, port, origin }: PortForward): Promise<void> {
    const server = net.createServer(
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true },
      (upstream) => {
        this.#serve("publish", upstream, { host, port }, async () => {
          const inside = await this.#dialInside(host, port);
          return { inside, upstream };
        });
      },
    );
    this.#servers.push(server);
    server.listen({ host: "127.0.0.1", port: listenPort });
    try {
      await once(server, "listening", { signal: this.#options.signal });
    } catch (cause) {
      const place = origin === undefined ? "" : `${origin.file}:${origin.line}:${origin.column}: `;
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SkillboxError(
        "ERR_HOST",
        `${place}network.publish: port ${listenPort} of 127.0.0.1: ${why}`,
        {
          stage: "network",
          hint: `\`ss -ltnp 'sport = :${listenPort}'\` shows who listens there; publish another port, or end that program`,
          cause,
        },
      );
    }
    // Of a connection that could not be accepted its client hears.
    server.on("error", () => undefined);
  }

  close(): void {
    for (const server of this.#servers.splice(0)) server.close();
  }

  /** A socket that PID 1 made keeps to its namespace, whoever connects it. */
  async #dialInside(host: string, port: number): Promise<net.Socket> {
    const { binding, stock, signal } = this.#options;
    const fd = await stock.take(net.isIPv6(host) ? "tcp6" : "tcp4");
    if (signal.aborted) {
      binding.closeFd(fd);
      throw new DialError("ECANCELED", []);
    }
    const connect = (): net.Socket => new RelaySocket(fd).setNoDelay(true).connect({ host, port });
    return await dial({ addresses: [host], port, signal, timeoutMs: dialTimeoutMs, connect });
  }

  #serve(
    rule: "forward" | "publish",
    accepted: net.Socket,
    target: { readonly host: string; readonly port: number },
    connect: () => Promise<Ends>,
  ): void {
    const { ledger, budget, links, timeouts } = this.#options;
    const { host: address, port } = target;
    accepted.on("error", () => undefined);
    const direction = rule === "publish" ? { direction: "in" } : {};
    const exhausted = budget.exhausted(links.size);
    if (exhausted !== undefined) {
      resetSocket(accepted);
      ledger.event({ type: "net.connect", ...direction, address, port, verdict: "deny", rule: exhausted });
      return;
    }
    links
      .track(async (link) => {
        const { inside, upstream } = Object.assign(link, await connect());
        budget.countConnection();
        const connection = ledger.nextConnection();
        const peer = { connection, ...direction, address, port };
        ledger.event({ type: "net.connect", ...peer, verdict: "allow", rule });
        const closed = await serveConnection({
          inside,
          upstream,
          name: undefined,
          port,
          timeouts,
          spend: budget.spend,
          onEvent: (event) => {
            ledger.event({ ...peer, ...event });
          },
        });
        budget.countBytes(closed);
      })
      .catch(() => {
        // Nobody answers at the other end: for who asked, that is a connection that breaks.
        resetSocket(accepted);
      });
  }
}
