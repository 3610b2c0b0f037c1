import { describe, endpointOf } from "./describe.js";
import { Processes } from "./processes.js";
import { integerOf, stringOf, type RecordedEvent } from "./read-event.js";
import { shownPlain } from "./shown.js";
import { pathsOf, type Access } from "./subject.js";
import { Tally } from "./tally.js";
import { Timeline } from "./timeline.js";

export interface Denial {
  readonly first: RecordedEvent;
  readonly text: string;
  count: number;
}

export interface FileUse {
  readonly path: string;
  readonly counts: Map<Access, number>;
}

export interface NetworkUse {
  /** connect, lookup, listen, … */
  readonly verb: string;
  readonly what: string;
  readonly errnos: Set<string>;
  count: number;
  bytesIn: number;
  bytesOut: number;
}

/** What a person wants to know of a run, in memory that does not grow with the record. */
export class RecordSummary {
  readonly processes = new Processes();
  readonly denials = new Tally<Denial>(5000);
  readonly files = new Tally<FileUse>(50_000);
  readonly network = new Tally<NetworkUse>(5000);
  readonly timeline: Timeline;
  start: RecordedEvent | undefined;
  end: RecordedEvent | undefined;
  denied = 0;
  asked = 0;

  constructor(timelineLines: number) {
    this.timeline = new Timeline(timelineLines);
  }

  /** Every event of the record; only those asked for are told, but the frame and the process tree need all. */
  add(event: RecordedEvent, isAskedFor: boolean): void {
    if (event.type === "run.start") this.start ??= event;
    if (event.type === "run.end") this.end = event;
    if (event.verdict === "deny") this.denied += event.count;
    this.processes.add(event, isAskedFor);
    if (!isAskedFor) return;
    this.asked++;
    this.timeline.add(event);
    if (event.denied) this.#addDenial(event);
    else this.#addUses(event);
  }

  #addDenial(event: RecordedEvent): void {
    const text = describe(event);
    const key = JSON.stringify([event.type, event.verdict, event.pid, event.members["rule"], text]);
    const denial = this.denials.at(key, () => ({ first: event, text, count: 0 }));
    if (denial !== undefined) denial.count += event.count;
  }

  #addUses(event: RecordedEvent): void {
    if (event.type.startsWith("net.")) {
      this.#addNetwork(event);
      return;
    }
    for (const { path, access } of pathsOf(event)) {
      const file = this.files.at(path, () => ({ path, counts: new Map() }));
      file?.counts.set(access, (file.counts.get(access) ?? 0) + 1);
    }
  }

  #addNetwork(event: RecordedEvent): void {
    const verb = networkVerbs.get(event.type);
    if (verb === undefined) return;
    const { members } = event;
    // The name is known of every answer, the address only of one: one line for all.
    const what =
      event.type === "net.dns" ? shownPlain(stringOf(members["name"]) ?? "") : (endpointOf(event) ?? "");
    if (what === "") return;
    const use = this.network.at(`${verb} ${what}`, () => ({
      verb,
      what,
      errnos: new Set(),
      count: 0,
      bytesIn: 0,
      bytesOut: 0,
    }));
    if (use === undefined) return;
    if (event.type === "net.close") {
      use.bytesIn += integerOf(members["bytesIn"]) ?? 0;
      use.bytesOut += integerOf(members["bytesOut"]) ?? 0;
      return;
    }
    use.count++;
    const errno = stringOf(members["errno"]);
    if (errno !== undefined && use.errnos.size < 8) use.errnos.add(shownPlain(errno, 32));
  }
}

/** The bytes of a connection go to the line of its connect. */
const networkVerbs = new Map([
  ["net.connect", "connect"],
  ["net.close", "connect"],
  ["net.dns", "look up"],
  ["net.bind", "bind"],
  ["net.send", "send"],
]);
