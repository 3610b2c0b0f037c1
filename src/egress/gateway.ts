import { setMaxListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { SkillboxError } from "../errors.js";
import type { Binding, HeldCall } from "../native/binding.js";
import type { NetworkPolicy } from "../policy/policy.js";
import { Budget, type EgressLimitName, type EgressLimits } from "./budget.js";
import type { EgressTimeouts } from "./connection.js";
import { Datagrams } from "./datagrams.js";
import { dialledTarget, standsForNothing } from "./dialled-target.js";
import { DnsServer, dnsPort } from "./dns-server.js";
import { HeldConnections } from "./held-connections.js";
import { type Denial, Ledger } from "./ledger.js";
import { Links } from "./links.js";
import { Listeners } from "./listeners.js";
import { outsideLookup, type ResolveOutside } from "./lookup.js";
import { WildcardLimits } from "./names-limit.js";
import { Outward } from "./outward.js";
import { PortForwards } from "./port-forwards.js";
import { ProxyInside } from "./proxy-inside.js";
import { Resolver } from "./resolver.js";
import { EgressRules } from "./rules.js";
import { type Sinkhole, sinkholeRules } from "./sinkhole.js";
import { type RequestSockets, SocketStock } from "./socket-stock.js";
import { SyntheticAddresses } from "./synthetic.js";
import { upstreamProxyOf } from "./upstream-proxy-choice.js";

export interface GatewayOptions {
  readonly binding: Pick<
    Binding,
    "answerHeld" | "bindDatagram" | "bindListen" | "closeFd" | "openDatagram" | "openListener"
  >;
  readonly network: NetworkPolicy;
  readonly limits: EgressLimits;
  /** The caller's, for a policy that takes its proxy from there. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Appends an event: its members without braces. */
  readonly record: (members: string, denied: boolean) => void;
  /** Asks PID 1 for more unbound sockets. */
  readonly requestSockets: RequestSockets;
  /** How an allowed name becomes addresses outside. Default: as the host's programs resolve names. */
  readonly resolve?: ResolveOutside;
  readonly timeouts?: EgressTimeouts | undefined;
  readonly onDenial?: ((denial: Denial) => void) | undefined;
  /** Takes all connections, whatever the policy says; then nothing leaves. */
  readonly sinkhole?: Sinkhole | undefined;
  /** Called once for each limit, when it first keeps something back. */
  readonly onLimit?: (limit: EgressLimitName) => void;
  /** Called where the sandbox cannot be given what it needs: nothing of it is to go on. */
  readonly onFailure?: (error: Error) => void;
}

export interface EgressSummary {
  readonly connections: number;
  readonly denied: number;
  /** From outside to the program. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What a program sent before its end gets so long to leave. */
const partingMs = 2000;
/** Every step of a connection that is cut off ends at once; this is in case that one does not. */
const closingMs = 1000;

/** The only way out of a sandbox: answers its DNS, judges each connection, and relays what may pass. */
export class Gateway {
  readonly #network: NetworkPolicy;
  readonly #abort = new AbortController();
  readonly #synthetic = new SyntheticAddresses();
  readonly #links = new Links();
  readonly #ledger: Ledger;
  readonly #budget: Budget;
  readonly #stock: SocketStock;
  readonly #listeners: Listeners;
  readonly #outward: Outward;
  readonly #dns: DnsServer;
  readonly #connections: HeldConnections;
  readonly #datagrams: Datagrams;
  readonly #forwards: PortForwards;
  readonly #proxy: ProxyInside;

  /** Throws ERR_POLICY for what no reader of policies lets pass, and for a proxy of the caller's that cannot be used. */
  constructor(options: GatewayOptions) {
    const { binding, network } = options;
    const { signal } = this.#abort;
    const { timeouts = {} } = options;
    // Each connection that is being made listens; none does any longer than that.
    setMaxListeners(0, signal);
    this.#network = network;
    this.#ledger = new Ledger(options);
    this.#budget = new Budget(options.limits, options.onLimit ?? (() => undefined));
    this.#stock = new SocketStock(binding, options.requestSockets);
    this.#listeners = new Listeners(binding, this.#stock);
    const { sinkhole } = options;
    const rules = sinkhole === undefined ? new EgressRules(network) : sinkholeRules;
    const resolve = options.resolve ?? outsideLookup();
    const upstreamProxy = upstreamProxyOf(network, options.environment);
    this.#outward = new Outward({ rules, resolve, signal, upstreamProxy, timeouts, sinkhole });
    const names = new WildcardLimits();
    const shared = {
      binding,
      ledger: this.#ledger,
      budget: this.#budget,
      stock: this.#stock,
      links: this.#links,
      listeners: this.#listeners,
      outward: this.#outward,
      synthetic: this.#synthetic,
      names,
      signal,
      timeouts,
    };
    this.#connections = new HeldConnections(shared);
    this.#datagrams = new Datagrams({ ...shared, idleTimeoutMs: timeouts.idleMs });
    this.#forwards = new PortForwards(shared);
    this.#proxy = new ProxyInside(shared);
    this.#dns = new DnsServer(
      binding,
      new Resolver({
        rules,
        synthetic: this.#synthetic,
        limits: names,
        onQuery: ({ name, type: query, transport: protocol, answer: response, ...decision }) => {
          this.#ledger.event({ type: "net.dns", name, query, protocol, response, ...decision });
        },
      }),
      options.onFailure ?? (() => undefined),
    );
  }

  /** Port 53 of the sandbox: UDP and TCP for IPv4, then for IPv6 where the host has it. */
  serveResolver(fds: readonly number[]): void {
    this.#dns.serve(fds);
    // The first connections find them there.
    if (this.#network.egress.length > 0) {
      this.#stock.order("tcp4");
      if (fds.length > 2) this.#stock.order("tcp6");
    }
  }

  /** Whether there is anything for {@link openPorts} to do. */
  get hasPorts(): boolean {
    const { forward, publish, proxyPort } = this.#network;
    return forward.length + publish.length > 0 || proxyPort !== undefined;
  }

  /** Opens the ports that the policy names. To be awaited before the program starts. Throws ERR_HOST for one that is taken. */
  async openPorts(): Promise<void> {
    const { forward, publish, proxyPort } = this.#network;
    for (const entry of forward) {
      await inSandbox("network.forward", entry.listenPort, this.#forwards.forward(entry));
    }
    if (proxyPort !== undefined) {
      const serving = this.#listeners.serve("127.0.0.1", proxyPort, (socket) => {
        this.#proxy.serve(socket);
      });
      await inSandbox("network.proxyPort", proxyPort, serving);
    }
    for (const entry of publish) await this.#forwards.publish(entry);
  }

  addSockets(family: 4 | 6, protocol: "tcp" | "udp", fds: readonly number[]): void {
    this.#stock.add(`${protocol}${family}`, fds);
  }

  /** Judges a connect() or a send to an address outside, and lets its task go on or fail. */
  judge(call: HeldCall): void {
    this.#judge(call).catch((error: unknown) => {
      // Whatever goes wrong on our side, the program must not get through nor hang.
      this.#ledger.refuse(call, { verdict: "deny", rule: `error: ${String(error)}` }, "EIO");
    });
  }

  summary(): EgressSummary {
    const { connections, bytesIn, bytesOut } = this.#budget;
    return { connections, denied: this.#ledger.denied, bytesIn, bytesOut };
  }

  /**
   * When the program is dead: closes everything and puts it on record. After an end of its own, what it had sent goes on its way first,
   * as it would from a kernel.
   */
  async end({ ofItself }: { readonly ofItself: boolean }): Promise<void> {
    if (ofItself) await until(() => !this.#links.isSending, partingMs);
    this.close();
    await until(() => this.#links.size === 0, closingMs);
  }

  close(): void {
    this.#abort.abort();
    this.#dns.close();
    this.#forwards.close();
    this.#listeners.close();
    this.#datagrams.close();
    this.#stock.close();
    this.#links.reset();
  }

  async #judge(call: HeldCall): Promise<void> {
    const target = dialledTarget(this.#synthetic, call);
    if (
      call.port === dnsPort &&
      !(target !== undefined && this.#outward.allows(target, call.datagram ? "udp" : "tcp"))
    ) {
      // Our own resolver, at every address that no rule names as a server.
      this.#ledger.answer(call, 0);
    } else if (target === undefined) {
      this.#ledger.refuse(call, standsForNothing, call.datagram ? "EPERM" : "ECONNREFUSED");
    } else {
      await (call.datagram ? this.#datagrams : this.#connections).judge(call, target);
    }
  }
}

async function until(condition: () => boolean, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!condition() && performance.now() < deadline) await sleep(5);
}

async function inSandbox(key: string, port: number, opened: Promise<void>): Promise<void> {
  try {
    await opened;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SkillboxError("ERR_POLICY", `${key}: port ${port} of the sandbox's 127.0.0.1: ${why}`, {
      stage: "network",
      hint: "let no two of `forward` and `proxyPort` listen on one port",
      cause,
    });
  }
}
