import type { AuditEvent } from "../audit/event.js";
import type { Program } from "../sandbox/program.js";

/** A program that its caller already holds, and may kill or watch, while its sandbox is still being made. */
export class PendingProgram {
  #program: Program | undefined;
  #signal: NodeJS.Signals | undefined;
  #tell: (events: () => AsyncIterable<AuditEvent>) => void = () => undefined;
  readonly #events = new Promise<() => AsyncIterable<AuditEvent>>((resolve) => (this.#tell = resolve));

  /** It is there. */
  is(program: Program, events: () => AsyncIterable<AuditEvent>): void {
    this.#program = program;
    this.#tell(events);
    if (this.#signal !== undefined) this.kill(this.#signal);
  }

  /** SIGKILL is an end that we put to it: the outcome says so. */
  kill(signal: NodeJS.Signals): void {
    if (this.#program === undefined) this.#signal = signal;
    else if (signal === "SIGKILL") this.#program.ending.begin("killed");
    else this.#program.kill(signal, true);
  }

  /** Rejects as the run does, where that does not come to a program. */
  async *events(ended: Promise<unknown>): AsyncGenerator<AuditEvent> {
    const events = await Promise.race([this.#events, ended.then(async () => this.#events)]);
    yield* events();
  }
}
