import net from "node:net";
import type { Binding, Datagram, HeldCall } from "../native/binding.js";
import { isErrno } from "../plan/grants.js";
import type { Budget } from "./budget.js";
import { DatagramFlow } from "./datagram-flow.js";
import { type Actor, actorOf, type Ledger } from "./ledger.js";
import type { Outward } from "./outward.js";
import { nameOf, type ProxyTarget } from "./proxy-target.js";
import type { Decision } from "./rules.js";
import type { SocketStock } from "./socket-stock.js";

export interface DatagramsOptions {
  readonly binding: Pick<Binding, "bindDatagram" | "closeFd" | "openDatagram">;
  readonly ledger: Ledger;
  readonly budget: Budget;
  readonly stock: SocketStock;
  readonly outward: Outward;
  readonly idleTimeoutMs?: number | undefined;
}

/** RFC 4787, section 4.3: a mapping lasts two minutes at least, and five are recommended. */
const defaultIdleTimeoutMs = 5 * 60_000;
const mostEndpoints = 256;
const mostFlows = 1024;

/** A socket in the sandbox at the exact address and port that a program sends to. */
interface Endpoint {
  readonly datagram: Datagram;
  readonly flows: Map<string, DatagramFlow>;
  /** Of whoever was the last to be judged. */
  actor: Actor;
  idle: NodeJS.Timeout;
}

/**
 * UDP for rules that allow it. A program's connect() or send is judged and held until there is a socket of ours at the address
 * that it sends to; from there each of the program's sockets has a flow of its own to the address outside.
 */
export class Datagrams {
  readonly #options: DatagramsOptions;
  readonly #endpoints = new Map<string, Promise<Endpoint>>();
  readonly #open = new Map<string, Endpoint>();
  #flows = 0;

  constructor(options: DatagramsOptions) {
    this.#options = options;
  }

  async judge(call: HeldCall, target: ProxyTarget): Promise<void> {
    const { ledger, budget, outward } = this.#options;
    const decision = outward.judge(target, "udp");
    const name = nameOf(target);
    if (decision.verdict === "deny") {
      this.#deny(call, target, decision);
      return;
    }
    const key = `${call.address} ${String(call.port)}`;
    let opening = this.#endpoints.get(key);
    if (opening === undefined) {
      const exhausted =
        this.#endpoints.size >= mostEndpoints ? tooManyEndpoints : budget.exhausted(this.#flows);
      if (exhausted !== undefined) {
        ledger.refuse(call, { verdict: "deny", rule: exhausted }, "EPERM", { name });
        return;
      }
      opening = this.#openEndpoint(key, call, target, decision);
      this.#endpoints.set(key, opening);
    }
    let endpoint: Endpoint;
    try {
      endpoint = await opening;
    } catch (error) {
      this.#endpoints.delete(key);
      if (error instanceof Refused)
        ledger.refuse(call, error.decision, error.errno, { name, address: error.address });
      else throw error;
      return;
    }
    endpoint.actor = actorOf(call);
    endpoint.idle.refresh();
    ledger.allow(call, decision, call.connects ? { name, port: call.port, protocol: "udp" } : { name });
  }

  close(): void {
    for (const endpoint of this.#open.values()) this.#closeEndpoint(endpoint);
    this.#open.clear();
  }

  /**
   * connect() on a datagram socket sends nothing, and getaddrinfo(3) calls it to sort addresses: for a name it succeeds, and
   * what is sent after it meets nobody. That is worth a line where it is not about a port that is open over TCP.
   */
  #deny(call: HeldCall, target: ProxyTarget, decision: Decision): void {
    const { ledger, outward } = this.#options;
    if (!call.connects || target.kind === "address") {
      ledger.refuse(call, decision, "EPERM", { name: nameOf(target) });
    } else if (call.port === 0 || outward.allows(target, "tcp")) {
      ledger.answer(call, 0);
    } else {
      ledger.expectRefusal(call, decision, { name: target.host, port: call.port, protocol: "udp" });
    }
  }

  async #openEndpoint(
    key: string,
    call: HeldCall,
    target: ProxyTarget,
    decision: Decision,
  ): Promise<Endpoint> {
    const { binding, stock, outward } = this.#options;
    const resolved = await outward.resolve(target, "udp", decision);
    if (resolved.kind === "refused") throw new Refused(resolved.decision, "EPERM", resolved.address);
    const address = resolved.kind === "addresses" ? resolved.addresses[0] : undefined;
    if (address === undefined)
      throw new Refused({ verdict: "deny", rule: "the name has no address" }, "EHOSTUNREACH");
    const fd = await stock.take(net.isIPv6(call.address) ? "udp6" : "udp4");
    try {
      binding.bindDatagram(fd, call.address, call.port);
    } catch (error) {
      binding.closeFd(fd);
      if (!isErrno(error, "EADDRINUSE")) throw error;
      const rule = "the program itself has this UDP port at every address";
      throw new Refused({ verdict: "deny", rule }, "EADDRINUSE");
    }
    const datagram = binding.openDatagram(fd, (data, peer, peerPort) => {
      this.#forward(key, endpoint, { call, target, address }, { data, peer, peerPort });
    });
    const idle = setTimeout(() => {
      if (endpoint.flows.size > 0) idle.refresh();
      else this.#drop(key, endpoint);
    }, this.#idleTimeoutMs).unref();
    const endpoint: Endpoint = { datagram, flows: new Map<string, DatagramFlow>(), actor: "", idle };
    this.#open.set(key, endpoint);
    return endpoint;
  }

  #forward(
    key: string,
    endpoint: Endpoint,
    {
      call,
      target,
      address,
    }: { readonly call: HeldCall; readonly target: ProxyTarget; readonly address: string },
    { data, peer, peerPort }: { readonly data: Uint8Array; readonly peer: string; readonly peerPort: number },
  ): void {
    const { ledger, budget } = this.#options;
    const from = `${peer} ${String(peerPort)}`;
    const known = endpoint.flows.get(from);
    if (known !== undefined) {
      known.send(data);
      return;
    }
    const { actor } = endpoint;
    const name = nameOf(target);
    const about = { name, address, port: call.port, protocol: "udp" };
    const exhausted = this.#flows >= mostFlows ? tooManyFlows : budget.exhausted(this.#flows);
    if (exhausted !== undefined) {
      ledger.event({ type: "net.connect", ...about, verdict: "deny", rule: exhausted }, actor);
      // The next datagram meets nobody, and is refused at once.
      if (endpoint.flows.size === 0) this.#drop(key, endpoint);
      return;
    }
    const connection = ledger.nextConnection();
    budget.countConnection();
    this.#flows++;
    const flow = new DatagramFlow({
      address,
      port: call.port,
      idleTimeoutMs: this.#idleTimeoutMs,
      spend: budget.spend,
      onReply: (reply) => {
        endpoint.datagram.send(reply, peer, peerPort, call.address);
      },
      onEnd: (end) => {
        this.#flows--;
        endpoint.flows.delete(from);
        budget.countBytes(end);
        ledger.event({ type: "net.close", connection, ...about, ...end }, actor);
        // What is sent after an error or a limit is judged anew, or refused by the kernel.
        if (endpoint.flows.size === 0 && end.reason !== "idle") this.#drop(key, endpoint);
      },
    });
    endpoint.flows.set(from, flow);
    flow.send(data);
  }

  #drop(key: string, endpoint: Endpoint): void {
    this.#endpoints.delete(key);
    this.#open.delete(key);
    this.#closeEndpoint(endpoint);
  }

  #closeEndpoint({ datagram, flows, idle }: Endpoint): void {
    clearTimeout(idle);
    datagram.close();
    for (const flow of [...flows.values()]) flow.end("refused");
  }

  get #idleTimeoutMs(): number {
    return this.#options.idleTimeoutMs ?? defaultIdleTimeoutMs;
  }
}

const tooManyEndpoints = `limit: ${String(mostEndpoints)} addresses and ports over UDP at once`;
const tooManyFlows = `limit: ${String(mostFlows)} UDP flows at once`;

/** Allowed by name, and then not after all. */
class Refused extends Error {
  readonly decision: Decision;
  readonly errno: string;
  readonly address: string | undefined;

  constructor(decision: Decision, errno: string, address?: string) {
    super(decision.rule);
    this.decision = decision;
    this.errno = errno;
    this.address = address;
  }
}
