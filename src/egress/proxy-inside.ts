import type net from "node:net";
import type { Budget } from "./budget.js";
import { type EgressTimeouts, serveConnection } from "./connection.js";
import { DialError } from "./dial.js";
import { dialledTarget, standsForNothing } from "./dialled-target.js";
import { serveProxyClient } from "./http-or-socks-proxy.js";
import { judgement, type Ledger } from "./ledger.js";
import type { Link, Links } from "./links.js";
import type { WildcardLimits } from "./names-limit.js";
import type { Outward } from "./outward.js";
import { nameOf, type ProxyTarget } from "./proxy-target.js";
import { resetSocket } from "./relay-close.js";
import type { Decision } from "./rules.js";
import type { SyntheticAddresses } from "./synthetic.js";

export interface ProxyInsideOptions {
  readonly ledger: Ledger;
  readonly budget: Budget;
  readonly links: Links;
  readonly names: WildcardLimits;
  readonly outward: Outward;
  readonly synthetic: SyntheticAddresses;
  readonly timeouts: EgressTimeouts;
}

/** A proxy for programs that insist on one: another way to ask, and the same rules. */
export class ProxyInside {
  readonly #options: ProxyInsideOptions;

  constructor(options: ProxyInsideOptions) {
    this.#options = options;
  }

  serve(inside: net.Socket): void {
    const { budget, links } = this.#options;
    inside.on("error", () => undefined);
    if (budget.exhausted(links.size) !== undefined) {
      resetSocket(inside);
      return;
    }
    links
      .track(async (link) => {
        let connection = 0;
        let target: ProxyTarget | undefined;
        link.inside = inside;
        await serveProxyClient(inside, {
          open: async (asked) => {
            // A client that has looked the name up itself asks for the address that we gave it.
            if (asked.kind === "address")
              target = dialledTarget(this.#options.synthetic, { address: asked.host, port: asked.port });
            else target = asked;
            if (target === undefined) return this.#refuse(asked, standsForNothing);
            const opened = await this.#open(target);
            if ("refused" in opened) return opened;
            connection = opened.connection;
            return opened.upstream;
          },
          serve: async (asked, socket, upstream, early) =>
            this.#relay(link, connection, target ?? asked, { inside: socket, upstream, early }),
        });
      })
      .catch(() => {
        resetSocket(inside);
      });
  }

  async #open(
    target: ProxyTarget,
  ): Promise<{ readonly upstream: net.Socket; readonly connection: number } | { readonly refused: string }> {
    const { ledger, budget, links, names, outward } = this.#options;
    const name = nameOf(target);
    const peer = peerOf(target);
    const judged = outward.judge(target, "tcp");
    // The name has not passed our resolver, which counts those below wildcards.
    const decision = name === undefined ? judged : names.admit(name, judged);
    if (decision.verdict === "deny") return this.#refuse(target, decision);
    const exhausted = budget.exhausted(links.size - 1);
    if (exhausted !== undefined) return this.#refuse(target, { verdict: "deny", rule: exhausted });
    const fail = (errno: string, address?: string): DialError => {
      ledger.event({ ...peer, address, ...judgement(decision), errno });
      return new DialError(errno, []);
    };
    const route = await outward.route(target, decision);
    if (route.kind === "unresolved") throw fail("EHOSTUNREACH");
    if (route.kind === "refused") {
      ledger.event({ ...peer, address: route.address, ...judgement(route.decision), errno: "ECONNREFUSED" });
      return { refused: `${target.host} leads to an address that is not allowed (${route.decision.rule})` };
    }
    const { address, via } = route;
    let upstream: net.Socket;
    try {
      upstream = await route.upstream;
    } catch (error) {
      throw error instanceof DialError ? fail(error.errno, address) : error;
    }
    budget.countConnection();
    const connection = ledger.nextConnection();
    const dialled = via === undefined ? upstream.remoteAddress : address;
    ledger.event({ ...peer, connection, address: dialled, via, ...judgement(decision) });
    return { upstream, connection };
  }

  #refuse(target: ProxyTarget, decision: Decision): { readonly refused: string } {
    this.#options.ledger.event({ ...peerOf(target), ...judgement(decision), errno: "ECONNREFUSED" });
    return { refused: `${target.host}:${String(target.port)} is not allowed (${decision.rule})` };
  }

  async #relay(
    link: Link,
    connection: number,
    target: ProxyTarget,
    ends: { readonly inside: net.Socket; readonly upstream: net.Socket; readonly early: Buffer },
  ): Promise<void> {
    const { ledger, budget, timeouts } = this.#options;
    link.upstream = ends.upstream;
    const name = nameOf(target);
    const { port } = target;
    const peer = peerOf(target);
    const closed = await serveConnection({
      ...ends,
      name,
      port,
      timeouts,
      spend: budget.spend,
      onEvent: (event) => {
        ledger.event({ ...peer, connection, ...event });
      },
    });
    budget.countBytes(closed);
  }
}

function peerOf(target: ProxyTarget) {
  const name = nameOf(target);
  const address = name === undefined ? target.host : undefined;
  return { type: "net.connect", name, address, port: target.port };
}
