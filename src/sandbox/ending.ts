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

/** What is to be ended. */
export interface EndingProgram {
  readonly sandbox: Sandbox;
  readonly id: number;
  /** The sandbox ends with it: PID 1 kills whatever else there is. Otherwise its process group goes. */
  readonly oneshot: boolean;
}

/** Why a run is ended from outside; the first reason wins. */
export class Ending {
  #reason: EndingReason | undefined;
  #program: EndingProgram | undefined;
  #oomKillsBefore = 0;
  #cgroup: Cgroup | undefined;
  #patience: NodeJS.Timeout | undefined;
  #memoryPoll: NodeJS.Timeout | undefined;
  #detachSignal: () => void = () => undefined;
  readonly #started = process.hrtime.bigint();

  get reason(): EndingReason | undefined {
    return this.#reason;
  }

  get hasBegun(): boolean {
    return this.#reason !== undefined;
  }

  get elapsedMs(): number {
    return Number(process.hrtime.bigint() - this.#started) / 1e6;
  }

  attach(program: EndingProgram, signal: AbortSignal | undefined, cgroup: Cgroup | undefined): void {
    this.#program = program;
    this.#cgroup = cgroup;
    this.#oomKillsBefore = cgroup?.stats().oomKills ?? 0;
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
    const program = this.#program;
    if (program === undefined) return;
    // PID 1 kills everything when the program ends, and still has the account of it.
    program.sandbox.signal(program.id, "SIGKILL", !program.oneshot);
    this.#patience = setTimeout(() => void program.sandbox.close(), patienceMs);
  }

  /** Whether the kernel killed something for want of memory within the limit. */
  foundOutOfMemory(): boolean {
    return (this.#cgroup?.stats().oomKills ?? 0) > this.#oomKillsBefore;
  }

  detach(): void {
    clearTimeout(this.#patience);
    clearInterval(this.#memoryPoll);
    this.#detachSignal();
  }
}
