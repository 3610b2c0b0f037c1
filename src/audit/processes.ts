import { argvOf, exitOf } from "./describe.js";
import type { RecordedEvent } from "./read-event.js";

export interface RecordedProcess {
  readonly pid: number;
  readonly parent: RecordedProcess | undefined;
  readonly children: RecordedProcess[];
  comm: string | undefined;
  exe: string | undefined;
  /** Of its last exec. */
  argv: readonly string[] | undefined;
  ended: boolean;
  exit: string | undefined;
  /** Of those that were asked for. */
  events: number;
  /** Whether it or a descendant has one. */
  shown: boolean;
}

/** The processes of a run, as far as they did something that is on record, as a tree. */
export class Processes {
  readonly roots: RecordedProcess[] = [];
  readonly #living = new Map<number, RecordedProcess>();
  #count = 0;
  #tooMany = 0;

  /** Events of processes beyond the most that are kept. */
  get uncounted(): number {
    return this.#tooMany;
  }

  add(event: RecordedEvent, isAskedFor: boolean): void {
    const task = event.pid === undefined ? undefined : this.#process(event.pid, event);
    if (task === undefined) return;
    if (event.type === "process.exec" && !event.denied) {
      task.argv = argvOf(event.args).words.slice(0, mostWords);
    } else {
      // An exec still has the program before it.
      task.exe = event.exe ?? task.exe;
      task.comm = event.comm ?? task.comm;
    }
    if (event.type === "process.exit") {
      task.ended = true;
      task.exit = exitOf(event);
    }
    if (!isAskedFor) return;
    task.events++;
    for (let one: RecordedProcess | undefined = task; one?.shown === false; one = one.parent)
      one.shown = true;
  }

  #process(pid: number, { type, ppid, exe, comm }: RecordedEvent): RecordedProcess | undefined {
    const known = this.#living.get(pid);
    // A number is given again only when its process is gone; a straggler of the old one is not a new process.
    if (known !== undefined && !(known.ended && type === "process.exec")) return known;
    if (this.#count >= mostProcesses) {
      this.#tooMany++;
      return undefined;
    }
    this.#count++;
    const parent = ppid === undefined || ppid === pid ? undefined : this.#living.get(ppid);
    const task: RecordedProcess = {
      pid,
      parent,
      children: [],
      exe,
      comm,
      argv: undefined,
      ended: false,
      exit: undefined,
      events: 0,
      shown: false,
    };
    (parent?.children ?? this.roots).push(task);
    this.#living.set(pid, task);
    return task;
  }
}

const mostProcesses = 20_000;
/** More than is ever shown of a command line. */
const mostWords = 64;
