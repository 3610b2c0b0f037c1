import { describe } from "./describe.js";
import type { RecordedEvent } from "./read-event.js";

/** Events that follow one another and differ only in what they are about. */
export interface TimelineEntry {
  readonly first: RecordedEvent;
  readonly text: string;
  count: number;
  /** Whether all of them are about the same. */
  same: boolean;
}

/** What happened, in order, repeats in one line; of a long story its beginning and its end. */
export class Timeline {
  readonly #head: TimelineEntry[] = [];
  readonly #tail: TimelineEntry[] = [];
  readonly #mostHead: number;
  readonly #mostTail: number;
  #last: TimelineEntry | undefined;
  #omitted = 0;

  constructor(most: number) {
    this.#mostTail = Math.floor(most / 3);
    this.#mostHead = most - this.#mostTail;
  }

  add(event: RecordedEvent): void {
    const last = this.#last;
    if (last !== undefined && isSameKind(last.first, event)) {
      last.count += event.count;
      last.same &&= describe(event) === last.text;
      return;
    }
    this.#last = { first: event, text: describe(event), count: event.count, same: true };
    if (this.#head.length < this.#mostHead) {
      this.#head.push(this.#last);
      return;
    }
    this.#tail.push(this.#last);
    // Cut in halves of the work: shift() would move the whole list each time.
    if (this.#tail.length < 2 * this.#mostTail + 1) return;
    this.#omitted += this.#tail.length - this.#mostTail;
    this.#tail.splice(0, this.#tail.length - this.#mostTail);
  }

  entries(): { head: readonly TimelineEntry[]; omitted: number; tail: readonly TimelineEntry[] } {
    const surplus = Math.max(0, this.#tail.length - this.#mostTail);
    return { head: this.#head, omitted: this.#omitted + surplus, tail: this.#tail.slice(surplus) };
  }
}

function isSameKind(one: RecordedEvent, other: RecordedEvent): boolean {
  return (
    one.type === other.type &&
    one.pid === other.pid &&
    one.verdict === other.verdict &&
    one.syscall === other.syscall &&
    !alone.has(one.type)
  );
}

/** Each of these is worth its own line. */
const alone = new Set([
  "process.exec",
  "process.exit",
  "run.start",
  "run.end",
  "audit.gap",
  "resource.limit",
  "program.end",
  "net.dns",
  "net.http",
]);
