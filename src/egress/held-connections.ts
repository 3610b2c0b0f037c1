import type net from "node:net";
import type { HeldCall } from "../native/binding.js";
import { isErrno } from "../plan/grants.js";
import type { Budget } from "./budget.js";
import { type EgressTimeouts, serveConnection } from "./connection.js";
import { DialError } from "./dial.js";
import { actorOf, type Ledger } from "./ledger.js";
import type { Link, Links } from "./links.js";
import type { Listeners } from "./listeners.js";
import type { Outward, Route } from "./outward.js";
import { nameOf, type ProxyTarget } from "./proxy-target.js";
import { resetSocket } from "./relay-close.js";
import type { Decision } from "./rules.js";

export interface HeldConnectionsOptions {
  readonly ledger: Ledger;
  readonly budget: Budget;
  readonly links: Links;
  readonly listeners: Listeners;
  readonly outward: Outward;
  readonly timeouts: EgressTimeouts;
}

/**
 * A program with a non-blocking socket waits for the true outcome no longer than this: its event loop stands still
 * meanwhile. After that it is connected to us, and a failure upstream is a reset.
 */
const nonBlockingPatienceMs = 200;

/** connect() calls of programs, held until upstream has answered, and the connections that come of them. */
export class HeldConnections {
  readonly #options: HeldConnectionsOptions;

  constructor(options: HeldConnectionsOptions) {
    this.#options = options;
  }

  /** `target` is what the address that was dialled stands for. */
  async judge(call: HeldCall, target: ProxyTarget): Promise<void> {
    const { ledger, budget, links, outward } = this.#options;
    const decision = outward.judge(target, "tcp");
    const name = nameOf(target);
    if (decision.verdict === "deny") {
      ledger.refuse(call, decision, "ECONNREFUSED", { name });
      return;
    }
    const exhausted = budget.exhausted(links.size);
    if (exhausted !== undefined) {
      ledger.refuse(call, { verdict: "deny", rule: exhausted }, "ECONNREFUSED", { name });
      return;
    }
    await links.track(async (link) => this.#connect(call, link, target, decision));
  }

  /** An allowed connection, from looking up its name to its end. */
  async #connect(call: HeldCall, link: Link, target: ProxyTarget, decision: Decision): Promise<void> {
    const { ledger, budget, listeners, outward } = this.#options;
    const name = nameOf(target);
    const route = await outward.route(target, decision);
    if (route.kind === "unresolved") {
      ledger.fail(call, decision, "EHOSTUNREACH", { name });
      return;
    }
    if (route.kind === "refused") {
      ledger.refuse(call, route.decision, "ECONNREFUSED", { name, address: route.address });
      return;
    }
    const outcome = await firstOutcome(route.upstream, call.nonBlocking ? nonBlockingPatienceMs : undefined);
    if (outcome instanceof DialError) {
      ledger.fail(call, decision, outcome.errno, { name, address: route.address });
      return;
    }
    let accept: (socket: net.Socket | undefined) => void = () => undefined;
    const accepted = new Promise<net.Socket | undefined>((resolve) => {
      accept = resolve;
    });
    try {
      await listeners.listen(call.address, call.port, accept);
    } catch (error) {
      dropWhenDialled(route.upstream);
      if (!isErrno(error, "EADDRINUSE")) throw error;
      const rule = "the program itself listens on this port at every address";
      ledger.refuse(call, { verdict: "deny", rule }, "EADDRINUSE", { name });
      return;
    }
    budget.countConnection();
    const connection = ledger.nextConnection();
    const { via } = route;
    const address = via === undefined ? outcome?.remoteAddress : route.address;
    ledger.allow(call, decision, { connection, name, address, port: call.port, via });
    await this.#relay(call, link, { connection, target }, accepted, route);
  }

  async #relay(
    call: HeldCall,
    link: Link,
    { connection, target }: { readonly connection: number; readonly target: ProxyTarget },
    accepted: Promise<net.Socket | undefined>,
    route: Route & { readonly kind: "dialling" },
  ): Promise<void> {
    const { ledger, budget, timeouts } = this.#options;
    const name = nameOf(target);
    const actor = actorOf(call);
    const { address, port } = call;
    let failure = "never used";
    const [inside, upstream] = await Promise.all([
      accepted.then((socket) => (link.inside = socket)),
      route.upstream.catch((error: unknown) => {
        failure = error instanceof DialError ? error.errno : String(error);
        return undefined;
      }),
    ]);
    if (inside === undefined || upstream === undefined) {
      // The program never came, or upstream failed after a non-blocking program went ahead.
      if (inside !== undefined) resetSocket(inside);
      upstream?.destroy();
      const nothing = { bytesIn: 0, bytesOut: 0, reason: failure };
      ledger.event({ type: "net.close", connection, name, address, port, ...nothing }, actor);
      return;
    }
    link.upstream = upstream;
    const closed = await serveConnection({
      inside,
      upstream,
      name: route.unjudged === true ? undefined : name,
      port,
      timeouts,
      spend: budget.spend,
      onEvent: (event) => {
        ledger.event({ connection, name, address, port, ...event }, actor);
      },
    });
    budget.countBytes(closed);
  }
}

function dropWhenDialled(upstream: Promise<net.Socket>): void {
  upstream.then(
    (socket) => {
      socket.destroy();
    },
    () => undefined,
  );
}

/** The socket, or why there is none; undefined when the patience ends first. */
async function firstOutcome(
  upstream: Promise<net.Socket>,
  patienceMs: number | undefined,
): Promise<net.Socket | DialError | undefined> {
  const settled = upstream.catch((error: unknown) => {
    if (error instanceof DialError) return error;
    throw error;
  });
  if (patienceMs === undefined) return settled;
  let timer: NodeJS.Timeout | undefined;
  const patience = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, patienceMs, undefined);
  });
  try {
    return await Promise.race([settled, patience]);
  } finally {
    clearTimeout(timer);
  }
}
