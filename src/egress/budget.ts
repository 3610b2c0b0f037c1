/** What one run may spend outside; undefined: no limit. */
export interface EgressLimits {
  /** Connections and UDP flows, ever. */
  readonly connections: number | undefined;
  /** Bytes, both directions together. */
  readonly trafficBytes: number | undefined;
}

export type EgressLimitName = "connections" | "traffic";

/** More at once are refused: each costs the supervisor two descriptors and buffers. */
const mostAtOnce = 1024;

/** What the connections of a run share. */
export class Budget {
  readonly #limits: EgressLimits;
  readonly #onReached: (limit: EgressLimitName) => void;
  readonly #reached = new Set<EgressLimitName>();
  #connections = 0;
  #bytesIn = 0;
  #bytesOut = 0;
  #spent = 0;

  /** `onReached` is called once for each limit, when it first keeps something back. */
  constructor(limits: EgressLimits, onReached: (limit: EgressLimitName) => void) {
    this.#limits = limits;
    this.#onReached = onReached;
  }

  /** What of it is used up, as the rule of a denial; undefined where one more connection may be made. */
  exhausted(atOnce: number): string | undefined {
    const { connections, trafficBytes } = this.#limits;
    if (connections !== undefined && this.#connections >= connections)
      return this.#reach("connections", String(connections));
    if (trafficBytes !== undefined && this.#spent >= trafficBytes)
      return this.#reach("traffic", `${String(trafficBytes)} bytes`);
    return atOnce >= mostAtOnce ? `limit: ${String(mostAtOnce)} connections at once` : undefined;
  }

  countConnection(): void {
    this.#connections++;
  }

  /** Whether so many bytes more may pass. */
  readonly spend = (bytes: number): boolean => {
    this.#spent += bytes;
    const { trafficBytes } = this.#limits;
    if (trafficBytes === undefined || this.#spent <= trafficBytes) return true;
    this.#reach("traffic", "");
    return false;
  };

  /** For the result, when a connection is over. */
  countBytes({ bytesIn, bytesOut }: { readonly bytesIn: number; readonly bytesOut: number }): void {
    this.#bytesIn += bytesIn;
    this.#bytesOut += bytesOut;
  }

  get connections(): number {
    return this.#connections;
  }

  /** From outside to the program. */
  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  #reach(limit: EgressLimitName, amount: string): string {
    if (!this.#reached.has(limit)) {
      this.#reached.add(limit);
      this.#onReached(limit);
    }
    return `limit: resources.${limit} ${amount}`.trimEnd();
  }
}
