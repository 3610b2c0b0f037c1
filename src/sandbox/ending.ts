import type { LimitName } from "../policy/policy.js";
import type { Outcome } from "../result/run-result.js";
import type { Cgroup } from "./cgroup.js";
import type { Sandbox } from "./sandbox.js";

export interface EndingReason {
  readonly outcome: Outcome;
  readonly limit?: LimitName;
}

/** How long PID 1 may take to kill everything and report before it is killed itself. */
const patienceMs = 1000;
/** cgroup v1 has no counter that can be waited for without an eventfd. */
const memoryPollMs = 100;

/** Why a run is ended from outside; the first reason wins. */
export class Ending {
  #reason: EndingReason | undefined;
  #sandbox: { readonly sandbox: Sandbox; readonly program: number } | undefined;
  #cgroup: Cgroup | undefined;
  #patience: NodeJS.Timeout | undefined;
  #memoryPoll: NodeJS.Timeout | undefined;
  #detachSignal: () => void = () => undefined;
  readonly #startedMs = performance.now();

  get reason(): EndingReason | undefined {
    return this.#reason;
  }

  get hasBegun(): boolean {
    return this.#reason !== undefined;
  }

  get elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  attach(
    sandbox: Sandbox,
    program: number,
    signal: AbortSignal | undefined,
    cgroup: Cgroup | undefined,
  ): void {
    this.#sandbox = { sandbox, program };
    this.#cgroup = cgroup;
    if (signal !== undefined) {
      const abort = (): void => {
        this.begin("killed");
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#detachSignal = () => {
        signal.removeEventListener("abort", abort);
      };
      if (signal.aborted) abort();
    }
    if (cgroup?.enforcedBy("memory") !== undefined) {
      // The kernel may kill one process and leave the others: the run ends as a whole.
      this.#memoryPoll = setInterval(() => {
        if (this.foundOutOfMemory()) this.begin("out-of-memory", "memory");
      }, memoryPollMs);
    }
  }

  begin(outcome: Outcome, limit?: LimitName): void {
    if (this.#reason !== undefined) return;
    this.#reason = limit === undefined ? { outcome } : { outcome, limit };
    const attached = this.#sandbox;
    if (attached === undefined) return;
    // PID 1 kills everything when the program ends, and still has the account of it.
    attached.sandbox.signal(attached.program, "SIGKILL", false);
    this.#patience = setTimeout(() => void attached.sandbox.close(), patienceMs);
  }

  /** Whether the kernel killed something for want of memory within the limit. */
  foundOutOfMemory(): boolean {
    return (this.#cgroup?.stats().oomKills ?? 0) > 0;
  }

  detach(): void {
    clearTimeout(this.#patience);
    clearInterval(this.#memoryPoll);
    this.#detachSignal();
  }
}
