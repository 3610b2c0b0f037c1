import type net from "node:net";
import type { EgressTimeouts } from "./connection.js";
import { dial } from "./dial.js";
import type { ResolveOutside } from "./lookup.js";
import type { ProxyTarget } from "./proxy-target.js";
import type { Decision } from "./rules.js";
import type { EgressJudge, Sinkhole } from "./sinkhole.js";
import { bypassesProxy, type ProxyBypass } from "./upstream-proxy-bypass.js";
import { dialThroughProxy } from "./upstream-proxy.js";
import { formatProxy, type UpstreamProxy } from "./upstream-proxy-url.js";

/** The proxy that the host needs, and what is reached without it. */
export interface UpstreamProxyUse {
  readonly proxy: UpstreamProxy;
  readonly bypass: ProxyBypass;
}

export interface OutwardOptions {
  readonly rules: EgressJudge;
  readonly resolve: ResolveOutside;
  /** Ends every look-up and every attempt. */
  readonly signal: AbortSignal;
  readonly upstreamProxy: UpstreamProxyUse | undefined;
  readonly timeouts: EgressTimeouts;
  readonly sinkhole?: Sinkhole | undefined;
}

export type Route =
  /** By the address that the name has outside. */
  | { readonly kind: "refused"; readonly decision: Decision; readonly address: string | undefined }
  | { readonly kind: "unresolved" }
  | {
      readonly kind: "dialling";
      /** What is dialled; undefined where a proxy of the host's resolves the name. */
      readonly address: string | undefined;
      /** That proxy. */
      readonly via: string | undefined;
      /** In the sinkhole it does not matter what a connection says it is for. */
      readonly unjudged?: boolean;
      /** Fails with a DialError. */
      readonly upstream: Promise<net.Socket>;
    };

const defaultDialTimeoutMs = 30_000;

/** The way from a target that the rules allow to a connection: resolved outside, judged again, pinned, dialled. */
export class Outward {
  readonly #options: OutwardOptions;

  constructor(options: OutwardOptions) {
    this.#options = options;
  }

  /** Before anything leaves. */
  judge(target: ProxyTarget, protocol: "tcp" | "udp"): Decision {
    const { rules } = this.#options;
    const { port } = target;
    return target.kind === "name"
      ? rules.judgeConnection({ name: target.host, port, protocol })
      : rules.judgeAddress({ address: target.host, port, protocol });
  }

  allows(target: ProxyTarget, protocol: "tcp" | "udp"): boolean {
    return this.judge(target, protocol).verdict === "allow";
  }

  /** For a target that was judged with this decision. */
  async route(target: ProxyTarget, decision: Decision): Promise<Route> {
    const { signal, upstreamProxy, sinkhole } = this.#options;
    if (sinkhole !== undefined) {
      const upstream = sinkhole.dial(target);
      const address = target.kind === "address" ? target.host : undefined;
      return { kind: "dialling", address, via: "sinkhole", unjudged: true, upstream };
    }
    if (upstreamProxy !== undefined && !bypassesProxy(upstreamProxy.bypass, target)) {
      const via = formatProxy(upstreamProxy.proxy);
      const upstream = this.#throughProxy(upstreamProxy.proxy, target);
      return {
        kind: "dialling",
        address: target.kind === "address" ? target.host : undefined,
        via,
        upstream,
      };
    }
    const resolved = await this.resolve(target, "tcp", decision);
    if (resolved.kind !== "addresses") return resolved;
    const { addresses } = resolved;
    const upstream = dial({ addresses, port: target.port, signal, timeoutMs: this.#dialTimeoutMs });
    return { kind: "dialling", address: addresses[0], via: undefined, upstream };
  }

  /** The addresses of a target that may be reached, in the order of preference. */
  async resolve(
    target: ProxyTarget,
    protocol: "tcp" | "udp",
    decision: Decision,
  ): Promise<
    | Exclude<Route, { readonly kind: "dialling" }>
    | { readonly kind: "addresses"; readonly addresses: readonly string[]; readonly decision: Decision }
  > {
    if (this.#options.sinkhole !== undefined) return { kind: "unresolved" };
    if (target.kind === "address") return { kind: "addresses", addresses: [target.host], decision };
    const { rules } = this.#options;
    const { host: name, port } = target;
    const found = await this.#lookup(name);
    const judged = found.map((address) => ({
      address,
      decision: rules.judgeResolved({ name, address, port, protocol }),
    }));
    const allowed = judged.filter(({ decision: { verdict } }) => verdict === "allow");
    const [first] = judged;
    if (first === undefined) return { kind: "unresolved" };
    if (allowed.length === 0) return { kind: "refused", ...first };
    return { kind: "addresses", addresses: allowed.map(({ address }) => address), decision };
  }

  async #throughProxy(proxy: UpstreamProxy, target: ProxyTarget): Promise<net.Socket> {
    const { signal } = this.#options;
    const { kind, host } = proxy.proxy;
    // The operator's own choice: no rule is asked about it.
    const proxyAddresses = kind === "address" ? [host] : await this.#lookup(host);
    return await dialThroughProxy({ proxy, proxyAddresses, target, signal, timeoutMs: this.#dialTimeoutMs });
  }

  get #dialTimeoutMs(): number {
    return this.#options.timeouts.dialMs ?? defaultDialTimeoutMs;
  }

  async #lookup(name: string): Promise<readonly string[]> {
    try {
      return await this.#options.resolve(name, this.#options.signal);
    } catch {
      return []; // told as "no route": which name server failed how is the operator's to see, not the program's
    }
  }
}
