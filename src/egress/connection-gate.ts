import type { ClientHello } from "./client-hello-body.js";
import type { ConnectionEvent } from "./connection-event.js";
import { SecondHelloWatch } from "./client-hello-again.js";
import { type Agreement, ConnectionJudge } from "./connection-judge.js";
import { HttpRequestGate } from "./http-request-gate.js";
import type { OutboundGate } from "./relay.js";
import { Sniffer } from "./sniff.js";

export interface ConnectionGateOptions {
  /** Undefined for a connection to an address: what is seen is recorded, and nothing is refused for it. */
  readonly agreement: Agreement | undefined;
  /** How long a hello or a request head may take from its first byte to its last. */
  readonly handshakeTimeoutMs: number;
  readonly onEvent: (event: ConnectionEvent) => void;
  /** Ends the connection. Over plain HTTP the program can be told why. */
  readonly refuse: (why: string, protocol: Protocol) => void;
  /** Sends upstream outside of push(). */
  readonly forward: (bytes: Buffer) => void;
}

type Protocol = "tls" | "http" | "http2";

/** A word without its end of line may be all that its protocol sends ("ruok"): after so long it goes on, and stays watched. */
const stallMs = 300;

/**
 * Decides what of the program's bytes goes upstream. For a connection to a name, TLS must ask for that name and so must each HTTP
 * request. The end of a hello or of a request head is never sent before it was judged.
 */
export class ConnectionGate implements OutboundGate {
  readonly #options: ConnectionGateOptions;
  readonly #judge: ConnectionJudge;
  #stage: Sniffer | SecondHelloWatch | HttpRequestGate | "open" | "refused" = new Sniffer();
  /** How many of the bytes that the stage holds went upstream already. */
  #released = 0;
  #deadline: NodeJS.Timeout | undefined;
  #stall: NodeJS.Timeout | undefined;

  constructor(options: ConnectionGateOptions) {
    this.#options = options;
    this.#judge = new ConnectionJudge(options.agreement, options.onEvent);
  }

  push(chunk: Buffer): Buffer | undefined {
    const stage = this.#stage;
    if (stage === "open") return chunk;
    if (stage === "refused") return undefined;
    let passed: Buffer | undefined;
    if (stage instanceof Sniffer) passed = this.#sniff(stage, chunk);
    else if (stage instanceof HttpRequestGate) passed = this.#request(stage, chunk);
    else passed = this.#helloAgain(stage, chunk);
    this.#setTimers();
    return passed === undefined ? undefined : this.#unsent(passed);
  }

  end(): Buffer | undefined {
    this.close();
    const stage = this.#stage;
    if (typeof stage === "string") return undefined;
    // A hello or a head that was begun and not judged goes nowhere, unless nothing is refused.
    const mayPass = this.#options.agreement === undefined || (stage instanceof Sniffer && stage.mayBeText);
    return mayPass ? this.#unsent(stage.held) : undefined;
  }

  /** No timer fires after this. */
  close(): void {
    clearTimeout(this.#deadline);
    clearTimeout(this.#stall);
  }

  #sniff(sniffer: Sniffer, chunk: Buffer): Buffer | undefined {
    const found = sniffer.push(chunk);
    switch (found.kind) {
      case "need-more":
        return undefined;
      case "tls":
        return this.#passes(this.#judge.hello(found.hello), "tls")
          ? this.#watch(found, sniffer.held)
          : undefined;
      case "malformed":
        return this.#openUnread(sniffer.mayBeText ? "http" : "tls", found.why, sniffer.held);
      case "http":
        this.#stage = new HttpRequestGate((request) => this.#judge.request(request));
        return this.#request(this.#stage, sniffer.held);
      case "opaque":
        return this.#open(sniffer.held);
    }
  }

  #openUnread(protocol: Protocol, problem: string, bytes: Buffer): Buffer | undefined {
    const why = this.#judge.unreadable(protocol === "tls" ? "tls" : "http", problem);
    return this.#passes(why, protocol) ? this.#open(bytes) : undefined;
  }

  #open(bytes: Buffer): Buffer {
    this.#stage = "open";
    return bytes;
  }

  /** Refuses where there is a reason; whether the bytes may go on. */
  #passes(why: string | undefined, protocol: Protocol): boolean {
    if (why === undefined) return true;
    this.#stage = "refused";
    this.#options.refuse(why, protocol);
    return false;
  }

  #watch({ hello, length }: { hello: ClientHello; length: number }, bytes: Buffer): Buffer | undefined {
    const watch = (this.#stage = new SecondHelloWatch(hello.offersEarlyData));
    return joined(bytes.subarray(0, length), this.#helloAgain(watch, bytes.subarray(length)));
  }

  #helloAgain(watch: SecondHelloWatch, chunk: Buffer): Buffer | undefined {
    const step = watch.push(chunk);
    if (step.kind === "watching") return step.forward;
    if (step.kind === "done") return this.#open(step.forward);
    const { result, forward, held } = step;
    const bytes = joined(forward, held);
    if (result.kind !== "hello") return this.#openUnread("tls", "a second hello that is none", bytes);
    return this.#passes(this.#judge.hello(result), "tls") ? this.#open(bytes) : undefined;
  }

  #request(gate: HttpRequestGate, chunk: Buffer): Buffer | undefined {
    const step = gate.push(chunk);
    if (step.kind === "http") return step.forward;
    if (step.kind === "refused") {
      if (!step.judged) return this.#openUnread(step.spoken, step.why, joined(step.forward, step.rest));
      this.#passes(step.why, "http");
      return undefined;
    }
    // A server that declines the upgrade takes another request: what follows is looked at afresh.
    const next = (this.#stage = new Sniffer());
    if (step.rest.length === 0) return step.forward;
    return joined(step.forward, this.#sniff(next, step.rest));
  }

  #unsent(bytes: Buffer): Buffer {
    if (this.#released === 0) return bytes;
    const sent = Math.min(this.#released, bytes.length);
    this.#released -= sent;
    return bytes.subarray(sent);
  }

  #setTimers(): void {
    clearTimeout(this.#stall);
    const stage = this.#stage;
    if (typeof stage === "string" || stage.held.length <= this.#released) {
      clearTimeout(this.#deadline);
      this.#deadline = undefined;
      return;
    }
    this.#deadline ??= setTimeout(() => this.#late(), this.#options.handshakeTimeoutMs);
    if (stage instanceof Sniffer && stage.mayBeText)
      this.#stall = setTimeout(() => this.#release(stage), stallMs);
  }

  #late(): void {
    const stage = this.#stage;
    if (typeof stage === "string") return;
    if (stage instanceof Sniffer && stage.mayBeText) {
      this.#deadline = undefined;
      this.#release(stage);
      return;
    }
    const protocol = stage instanceof HttpRequestGate ? "http" : "tls";
    const bytes = this.#openUnread(protocol, "begun and not completed in time", stage.held);
    if (bytes !== undefined) this.#options.forward(this.#unsent(bytes));
  }

  #release(sniffer: Sniffer): void {
    const bytes = sniffer.held.subarray(this.#released);
    this.#released = sniffer.held.length;
    this.#setTimers();
    this.#options.forward(bytes);
  }
}

function joined(first: Buffer, second: Buffer | undefined): Buffer {
  return second === undefined || second.length === 0 ? first : Buffer.concat([first, second]);
}
