import { integerOf, type ReadLine, type RecordedEvent } from "./read-event.js";

export interface Problem {
  /** Undefined where it is about the record as a whole. */
  readonly line: number | undefined;
  readonly text: string;
}

/** What is wrong with a record: lines that are no events, events that are missing, an end that never came. */
export class Integrity {
  readonly #problems: Problem[] = [];
  #count = 0;
  #events = 0;
  #seq = 0;
  #run: string | undefined;
  #started = false;
  #ended = false;
  #endingReported = false;
  #dropped = 0;

  /** Of those that were found; a file of another kind has one on every line. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  get problemCount(): number {
    return this.#count;
  }

  get events(): number {
    return this.#events;
  }

  /** What the record itself says that it could not keep. */
  get dropped(): number {
    return this.#dropped;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  check(line: number, read: ReadLine, isWholeLine: boolean): void {
    if ("event" in read) this.#event(line, read.event);
    else this.#report(line, isWholeLine ? read.problem : "cut off in the middle of an event");
  }

  tooLong(line: number): void {
    this.#report(line, "not an event: too long");
  }

  /** At the end of the file. */
  close(): void {
    if (this.#events === 0) this.#report(undefined, "there is no event in it");
    else if (!this.#started) this.#report(undefined, "there is no run.start: its beginning is missing");
    if (this.#events > 0 && !this.#ended) {
      this.#report(
        undefined,
        "there is no run.end: the run goes on, or skillbox was killed, or the end is missing",
      );
    }
  }

  #event(line: number, { seq, run, type, members }: RecordedEvent): void {
    this.#events++;
    this.#run ??= run;
    if (run !== this.#run) this.#report(line, "an event of another run");
    const missing = seq - this.#seq - 1;
    if (missing > 0)
      this.#report(line, `${missing} event${missing === 1 ? " is" : "s are"} missing before this one`);
    if (missing < 0) this.#report(line, `event ${seq} stands after event ${this.#seq}`);
    this.#seq = seq;
    if (this.#ended && !this.#endingReported) {
      this.#endingReported = true;
      this.#report(line, "the record goes on after run.end");
    }
    if (type === "run.start") this.#started = true;
    if (type === "run.end") this.#ended = true;
    if (type === "audit.gap") this.#dropped += Math.max(0, integerOf(members["dropped"]) ?? 0);
  }

  #report(line: number | undefined, text: string): void {
    this.#count++;
    if (this.#problems.length < mostProblems) this.#problems.push({ line, text });
  }
}

const mostProblems = 20;
