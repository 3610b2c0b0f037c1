import { setMaxListeners } from "node:events";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type net from "node:net";
import type { Binding, HeldCall } from "../native/binding.js";
import { isErrno } from "../plan/grants.js";
import type { NetworkPolicy } from "../policy/policy.js";
import { serveConnection } from "./connection.js";
import { dial, DialError } from "./dial.js";
import { ListenerStock } from "./listener-stock.js";
import { outsideLookup, type ResolveOutside } from "./lookup.js";
import { WildcardLimits } from "./names-limit.js";
import { DnsServer } from "./dns-server.js";
import { resetSocket } from "./relay-close.js";
import { Resolver } from "./resolver.js";
import { EgressRules, type Decision } from "./rules.js";
import { SyntheticAddresses } from "./synthetic.js";

export interface GatewayOptions {
  readonly binding: Pick<Binding, "answerHeld" | "bindListen" | "closeFd" | "openDatagram">;
  readonly network: NetworkPolicy;
  /** Appends an event: its members without braces. */
  readonly record: (members: string, denied: boolean) => void;
  /** Asks PID 1 for more unbound sockets of a family (4 or 6). */
  readonly requestSockets: (family: 4 | 6, count: number) => void;
  /** How an allowed name becomes addresses outside. Default: as the host's programs resolve names. */
  readonly resolve?: (name: string, signal: AbortSignal) => Promise<readonly string[]>;
}

export interface EgressSummary {
  readonly connections: number;
  readonly denied: number;
  /** From outside to the program. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** More at once are refused: each costs the supervisor two descriptors and buffers. */
const mostConnections = 1024;
const dialTimeoutMs = 30_000;
/**
 * A program with a non-blocking socket waits for the true outcome no longer than this: its event loop stands still
 * meanwhile. After that it is connected to us, and a failure upstream is a reset.
 */
const nonBlockingPatienceMs = 200;
/** What a program sent before its end gets so long to leave. */
const partingMs = 2000;
/** Every step of a connection that is cut off ends at once; this is in case that one does not. */
const closingMs = 1000;

/** The only way out of a sandbox: answers its DNS, judges each connection, and relays what may pass. */
export class Gateway {
  readonly #options: GatewayOptions;
  readonly #rules: EgressRules;
  readonly #synthetic = new SyntheticAddresses();
  readonly #stock: ListenerStock;
  readonly #dns: DnsServer;
  readonly #resolveOutside: ResolveOutside;
  readonly #abort = new AbortController();
  /** From the moment that they may be made to their end. */
  readonly #links = new Set<Link>();
  #connections = 0;
  #denied = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(options: GatewayOptions) {
    this.#options = options;
    this.#rules = new EgressRules(options.network);
    this.#resolveOutside = options.resolve ?? outsideLookup();
    // Each connection that is being made listens; none does any longer than that.
    setMaxListeners(0, this.#abort.signal);
    this.#stock = new ListenerStock(options.binding, options.requestSockets);
    const resolver = new Resolver({
      rules: this.#rules,
      synthetic: this.#synthetic,
      limits: new WildcardLimits(),
      onQuery: ({ name, type, transport, answer, ...decision }) => {
        const members = { name, query: type, protocol: transport, response: answer, ...decision };
        this.#event("net.dns", members, decision.verdict === "deny");
      },
    });
    this.#dns = new DnsServer(options.binding, resolver);
  }

  /** Port 53 of the sandbox: UDP and TCP for IPv4, then for IPv6 where the host has it. */
  serveResolver(fds: readonly number[]): void {
    this.#dns.serve(fds);
  }

  /** Opens the ports of `forward:` on the sandbox's own 127.0.0.1. To be awaited before the program starts. */
  async forward(): Promise<void> {
    for (const { listenPort, host, port } of this.#options.network.forward) {
      await this.#stock.serve("127.0.0.1", listenPort, (inside) => {
        this.#forwardOne(inside, host, port).catch(() => {
          resetSocket(inside);
        });
      });
    }
  }

  addSockets(family: 4 | 6, fds: readonly number[]): void {
    this.#stock.add(family, fds);
  }

  /** Judges a connect() or a send to an address outside, and lets its task go on or fail. */
  judge(call: HeldCall): void {
    if (call.port === dnsPort) {
      this.#answer(call, 0);
    } else if (call.datagram) {
      this.#judgeDatagram(call);
    } else {
      this.#judgeConnection(call).catch((error: unknown) => {
        // Whatever goes wrong on our side, the program must not get through nor hang.
        this.#refuse(call, { verdict: "deny", rule: `error: ${String(error)}` }, "EIO");
      });
    }
  }

  summary(): EgressSummary {
    return {
      connections: this.#connections,
      denied: this.#denied,
      bytesIn: this.#bytesIn,
      bytesOut: this.#bytesOut,
    };
  }

  /**
   * When the program is dead: closes everything and puts it on record. After an end of its own, what it had sent goes on its way first,
   * as it would from a kernel.
   */
  async end({ ofItself }: { readonly ofItself: boolean }): Promise<void> {
    if (ofItself) await this.#until(() => ![...this.#links].some(isSending), partingMs);
    this.close();
    await this.#until(() => this.#links.size === 0, closingMs);
  }

  async #until(condition: () => boolean, withinMs: number): Promise<void> {
    const deadline = performance.now() + withinMs;
    while (!condition() && performance.now() < deadline) await sleep(5);
  }

  close(): void {
    this.#abort.abort();
    this.#dns.close();
    this.#stock.close();
    for (const { inside, upstream } of this.#links) {
      if (inside !== undefined) resetSocket(inside);
      // What the kernel has taken to send is lost by a reset.
      if (upstream?.writableFinished === true) upstream.destroy();
      else if (upstream !== undefined) resetSocket(upstream);
    }
  }

  /**
   * connect() on a datagram socket sends nothing; getaddrinfo(3) calls it to sort addresses. Nothing that is sent leaves:
   * UDP is not relayed.
   */
  #judgeDatagram(call: HeldCall): void {
    if (call.connects && this.#synthetic.lookup(call.address) !== undefined) {
      this.#answer(call, 0);
    } else {
      this.#refuse(call, { verdict: "deny", rule: "udp is not relayed" }, "EPERM");
    }
  }

  async #judgeConnection(call: HeldCall): Promise<void> {
    const name = this.#synthetic.lookup(call.address);
    if (name === undefined && this.#synthetic.contains(call.address)) {
      this.#refuse(call, { verdict: "deny", rule: "this address stands for no name" }, "ECONNREFUSED");
      return;
    }
    const target = { port: call.port, protocol: "tcp" as const };
    const decision =
      name === undefined
        ? this.#rules.judgeAddress({ ...target, address: call.address })
        : this.#rules.judgeConnection({ ...target, name });
    if (decision.verdict === "deny") {
      this.#refuse(call, decision, "ECONNREFUSED", { name });
      return;
    }
    if (this.#links.size >= mostConnections) {
      const rule = `limit: ${String(mostConnections)} connections`;
      this.#refuse(call, { verdict: "deny", rule }, "ECONNREFUSED", { name });
      return;
    }
    const link: Link = {};
    this.#links.add(link);
    try {
      await this.#connect(call, link, name, decision);
    } finally {
      this.#links.delete(link);
    }
  }

  /** An allowed connection, from looking up its name to its end. */
  async #connect(call: HeldCall, link: Link, name: string | undefined, decision: Decision): Promise<void> {
    const target = { port: call.port, protocol: "tcp" as const };
    const addresses = name === undefined ? [call.address] : await this.#resolve(name);
    const judged = addresses.map((address) =>
      name === undefined ? decision : this.#rules.judgeResolved({ ...target, name, address }),
    );
    const allowed = addresses.filter((_address, index) => judged[index]?.verdict === "allow");
    const [first] = judged;
    if (first === undefined) {
      this.#fail(call, decision, "EHOSTUNREACH", { name });
      return;
    }
    if (allowed.length === 0) {
      this.#refuse(call, first, "ECONNREFUSED", { name, address: addresses[0] });
      return;
    }

    const upstream = dial({
      addresses: allowed,
      port: call.port,
      signal: this.#abort.signal,
      timeoutMs: dialTimeoutMs,
    });
    const outcome = await firstOutcome(upstream, call.nonBlocking ? nonBlockingPatienceMs : undefined);
    if (outcome instanceof DialError) {
      this.#fail(call, decision, outcome.errno, { name, address: allowed[0] });
      return;
    }
    let accepted: Promise<net.Socket | undefined>;
    try {
      ({ accepted } = await this.#stock.listen(call.address, call.port));
    } catch (error) {
      void upstream.then(
        (socket) => socket.destroy(),
        () => undefined,
      );
      if (!isErrno(error, "EADDRINUSE")) throw error;
      const rule = "the program itself listens on this port at every address";
      this.#refuse(call, { verdict: "deny", rule }, "EADDRINUSE", { name });
      return;
    }
    this.#connections++;
    this.#event(
      undefined,
      { name, address: outcome?.remoteAddress, port: call.port, ...judgement(decision) },
      false,
      call,
    );
    this.#answer(call, 0);
    await this.#relay(call, link, name, accepted, upstream);
  }

  async #resolve(name: string): Promise<readonly string[]> {
    try {
      return await this.#resolveOutside(name, this.#abort.signal);
    } catch {
      return []; // told as "no route": which name server failed how is the operator's to see, not the program's
    }
  }

  async #relay(
    call: HeldCall,
    link: Link,
    name: string | undefined,
    accepted: Promise<net.Socket | undefined>,
    dialled: Promise<net.Socket>,
  ): Promise<void> {
    const target = { address: call.address, port: call.port };
    let failure = "never used";
    const [inside, upstream] = await Promise.all([
      accepted.then((socket) => (link.inside = socket)),
      dialled.catch((error: unknown) => {
        failure = error instanceof DialError ? error.errno : String(error);
        return undefined;
      }),
    ]);
    if (inside === undefined || upstream === undefined) {
      // The program never came, or upstream failed after a non-blocking program went ahead.
      if (inside !== undefined) resetSocket(inside);
      upstream?.destroy();
      const nothing = { bytesIn: 0, bytesOut: 0, reason: failure };
      this.#event("net.close", { name, ...target, ...nothing }, false);
      return;
    }
    link.upstream = upstream;
    await this.#serve(inside, upstream, name, target);
  }

  /** To one port of the host, which the policy names: no rule is asked, and nothing within is looked at. */
  async #forwardOne(inside: net.Socket, host: string, port: number): Promise<void> {
    const upstream = await dial({
      addresses: [host],
      port,
      signal: this.#abort.signal,
      timeoutMs: dialTimeoutMs,
    });
    this.#connections++;
    const target = { address: host, port };
    this.#event("net.connect", { ...target, verdict: "allow", rule: "forward" }, false);
    const link: Link = { inside, upstream };
    this.#links.add(link);
    try {
      await this.#serve(inside, upstream, undefined, target);
    } finally {
      this.#links.delete(link);
    }
  }

  async #serve(
    inside: net.Socket,
    upstream: net.Socket,
    name: string | undefined,
    target: { address: string; port: number },
  ): Promise<void> {
    const closed = await serveConnection({
      inside,
      upstream,
      name,
      port: target.port,
      onEvent: ({ type, ...members }) => {
        this.#event(type, { name, ...target, ...members }, members.verdict === "deny");
      },
    });
    this.#bytesIn += closed.bytesIn;
    this.#bytesOut += closed.bytesOut;
  }

  #refuse(call: HeldCall, decision: Decision, errno: string, peer: Peer = {}): void {
    this.#event(undefined, { ...peerOf(call, peer), ...judgement(decision), errno }, true, call);
    this.#answer(call, errnoNumber(errno));
  }

  /** Allowed, and the world said no. */
  #fail(call: HeldCall, decision: Decision, errno: string, peer: Peer): void {
    this.#event(undefined, { ...peerOf(call, peer), ...judgement(decision), errno }, false, call);
    this.#answer(call, errnoNumber(errno));
  }

  #answer(call: HeldCall, errno: number): void {
    this.#options.binding.answerHeld(call.key, errno);
  }

  /** Before the answer: what a refusal is about is on record when the program hears of it. */
  #event(type: string | undefined, members: object, denied: boolean, call?: HeldCall): void {
    if (denied) this.#denied++;
    const text = JSON.stringify({ type, ...members }).slice(1, -1);
    this.#options.record(call === undefined ? text : `${call.members},${text}`, denied);
  }
}

const dnsPort = 53;

/** The sockets of a connection, once they are there. */
interface Link {
  inside?: net.Socket | undefined;
  upstream?: net.Socket;
}

interface Peer {
  readonly name?: string | undefined;
  /** Outside. */
  readonly address?: string | undefined;
}

/** A send has a name alone: the rest stands in its arguments. */
function peerOf(call: HeldCall, { name, address }: Peer): object {
  if (!call.connects) return { name };
  return { name, address: address ?? (name === undefined ? call.address : undefined), port: call.port };
}

/** Whether something that the program has sent may not have left yet. */
function isSending({ inside, upstream }: Link): boolean {
  if (inside === undefined || upstream === undefined) return false;
  return !upstream.writableFinished && !upstream.closed && !inside.errored;
}

/** What of a decision goes on record. */
function judgement({ verdict, rule, hint }: Decision): Decision {
  return hint === undefined ? { verdict, rule } : { verdict, rule, hint };
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

function errnoNumber(name: string): number {
  return (
    Object.entries(constants.errno).find(([known]) => known === name)?.[1] ?? constants.errno.ECONNREFUSED
  );
}
