export interface QueryRateOptions {
  /** Queries at once. Default: 4000. */
  readonly burst?: number;
  /** Queries in the long run. Default: 2000. */
  readonly perSecond?: number;
  /** Milliseconds that never go back. Default: performance.now. */
  readonly now?: () => number;
}

/**
 * A token bucket: a program that floods us with queries must not keep the supervisor, which others share, from its work. The
 * defaults let 200 connections at a time look up both families and be done in under 10 ms each.
 */
export class QueryRate {
  readonly #burst: number;
  readonly #perMs: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;
  #exceeded = false;

  constructor(options: QueryRateOptions = {}) {
    this.#burst = options.burst ?? 4000;
    this.#perMs = (options.perSecond ?? 2000) / 1000;
    this.#now = options.now ?? (() => performance.now());
    this.#tokens = this.#burst;
    this.#filledAt = this.#now();
  }

  /** "first-exceeded" for the first query of a flood, which is the one to put on record. */
  take(): "ok" | "first-exceeded" | "exceeded" {
    const now = this.#now();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) * this.#perMs);
    this.#filledAt = now;
    // A flood ends when a good part of the bucket is back, or its edge would be on record many times a second.
    if (this.#exceeded && this.#tokens >= this.#burst / 4) this.#exceeded = false;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return "ok";
    }
    const first = !this.#exceeded;
    this.#exceeded = true;
    return first ? "first-exceeded" : "exceeded";
  }
}
