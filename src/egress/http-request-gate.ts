import { HttpBodyReader } from "./http-request-body.js";
import { HttpHeadParser, type HttpRequest } from "./http-request.js";

/** Why the request may not pass; undefined where it may. */
export type JudgeRequest = (request: HttpRequest) => string | undefined;

export type HttpGateStep =
  /** `forward` may go upstream; the rest, if any, is kept until more comes. */
  | { readonly kind: "http"; readonly forward: Buffer }
  /** Another protocol may begin after `forward` (CONNECT, Upgrade): `rest` belongs to it. */
  | { readonly kind: "tunnel"; readonly forward: Buffer; readonly rest: Buffer }
  /** `rest` is what was kept back and what came after it; `judged` tells a refusal by the judge from one by the grammar. */
  | {
      readonly kind: "refused";
      readonly forward: Buffer;
      readonly rest: Buffer;
      readonly why: string;
      readonly judged: boolean;
      /** What the program understands an answer in. */
      readonly spoken: "http" | "http2";
    };

const nothing = Buffer.alloc(0);

/**
 * Lets the requests of one connection pass unchanged, each head only once it was judged: a connection that is kept alive can carry a
 * second request for another host. Bodies are followed, not kept.
 */
export class HttpRequestGate {
  readonly #judge: JudgeRequest;
  #head = new HttpHeadParser();
  #body: HttpBodyReader | undefined;
  #tunnel = false;

  constructor(judge: JudgeRequest) {
    this.#judge = judge;
  }

  /** The head that has begun and is not complete. */
  get held(): Buffer {
    return this.#head.collected;
  }

  push(chunk: Buffer): HttpGateStep {
    const passed: Buffer[] = [];
    for (let rest = chunk; ;) {
      if (this.#body !== undefined) {
        const step = this.#body.push(rest);
        passed.push(rest.subarray(0, step.length));
        rest = rest.subarray(step.length);
        if (step.kind === "malformed") return refusal(passed, rest, step.why);
        if (!step.done) return { kind: "http", forward: joined(passed) };
        this.#body = undefined;
        if (this.#tunnel) return { kind: "tunnel", forward: joined(passed), rest };
      }
      if (rest.length === 0) return { kind: "http", forward: joined(passed) };

      const result = this.#head.push(rest);
      const held = this.#head.collected;
      if (result.kind === "need-more") return { kind: "http", forward: joined(passed) };
      if (result.kind === "malformed") return refusal(passed, held, result.why);
      // Each request would have to be judged, and each depends on the compressed headers of all before it.
      if (result.kind === "http2") {
        const why = "HTTP/2 without TLS is not judged by name: use TLS, or HTTP/1.1";
        return { ...refusal(passed, held, why), spoken: "http2" };
      }
      const denied = this.#judge(result.request);
      if (denied !== undefined) return { ...refusal(passed, held, denied), judged: true };
      passed.push(held.subarray(0, result.length));
      rest = held.subarray(result.length);
      this.#head = new HttpHeadParser();
      this.#body = new HttpBodyReader(result.request.framing);
      this.#tunnel = result.request.framing.tunnel;
    }
  }
}

function refusal(passed: readonly Buffer[], rest: Buffer, why: string): HttpGateStep & { kind: "refused" } {
  return { kind: "refused", forward: joined(passed), rest, why, judged: false, spoken: "http" };
}

function joined(parts: readonly Buffer[]): Buffer {
  const [only] = parts;
  return parts.length > 1 ? Buffer.concat(parts) : (only ?? nothing);
}
