import { Refusal } from "./refusal.js";

/** So many scans at once, so many more waiting; the others are told to come again. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(
    slots: number,
    private readonly mostWaiting: number,
  ) {
    this.#free = slots;
  }

  /** Waits for a slot; the function that it returns gives it back. Rejects with 503 where too many wait, with the signal's reason on abort. */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted();
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    };
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length >= this.mostWaiting) {
      throw new Refusal(503, "as many scans as this host can run are running and waiting; try again later");
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(onTurn), 1);
        reject(signal.reason instanceof Error ? signal.reason : new Error("cancelled"));
      };
      const onTurn = (): void => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      this.#waiting.push(onTurn);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }
}
