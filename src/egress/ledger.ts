import { constants } from "node:os";
import type { Binding, HeldCall } from "../native/binding.js";
import type { Decision } from "./rules.js";

/** What the policy kept a program from, for whoever wants to tell a person. */
export interface Denial {
  /** "net.connect", "net.dns", "net.send", "net.tls", "net.http". */
  readonly type: string;
  readonly name?: string | undefined;
  readonly address?: string | undefined;
  readonly port?: number | undefined;
  readonly rule?: string | undefined;
  readonly reason?: string | undefined;
  /** The line of a policy that would allow it. */
  readonly hint?: string | undefined;
}

export interface LedgerOptions {
  readonly binding: Pick<Binding, "answerHeld">;
  /** Appends an event: its members without braces. */
  readonly record: (members: string, denied: boolean) => void;
  readonly onDenial?: ((denial: Denial) => void) | undefined;
}

/** An event that is about no call, in the names of the record. */
export interface EgressEvent extends Denial {
  readonly verdict?: string | undefined;
  readonly [member: string]: unknown;
}

/** Whom an event is about: members of the record without braces; "" where nobody knows. */
export type Actor = string;

/** Where what egress does is put on record and counted, and where held calls get their answer: after it is on record. */
export class Ledger {
  readonly #options: LedgerOptions;
  #denied = 0;
  #connections = 0;

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  get denied(): number {
    return this.#denied;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Links the events of one connection. */
  nextConnection(): number {
    return ++this.#connections;
  }

  event(event: EgressEvent, actor: Actor = ""): void {
    const denied = event.verdict === "deny";
    this.#tell(event.type, event, denied);
    const text = JSON.stringify(event).slice(1, -1);
    this.#options.record(actor === "" ? text : `${text},${actor}`, denied);
  }

  /** The call goes on. */
  allow(call: HeldCall, decision: Decision, more: object = {}): void {
    this.#call(call, { ...more, ...judgement(decision) }, false);
    this.answer(call, 0);
  }

  refuse(call: HeldCall, decision: Decision, errno: string, peer: Peer = {}): void {
    const seen = peerOf(call, peer);
    this.#tell(call.connects ? "net.connect" : "net.send", { ...call, ...seen, ...decision }, true);
    this.#call(call, { ...seen, ...judgement(decision), errno }, true);
    this.answer(call, errnoNumber(errno));
  }

  /** The call goes on, and the kernel refuses what follows it. */
  expectRefusal(call: HeldCall, { rule, hint }: Decision, more: object): void {
    this.#call(call, { ...more, verdict: "expected-deny", rule, hint }, false);
    this.answer(call, 0);
  }

  /** Allowed, and the world said no. */
  fail(call: HeldCall, decision: Decision, errno: string, peer: Peer): void {
    this.#call(call, { ...peerOf(call, peer), ...judgement(decision), errno }, false);
    this.answer(call, errnoNumber(errno));
  }

  answer(call: HeldCall, errno: number): void {
    this.#options.binding.answerHeld(call.key, errno);
  }

  #tell(
    type: string,
    { name, address, port, rule, reason, hint }: Omit<Denial, "type">,
    denied: boolean,
  ): void {
    if (!denied) return;
    this.#denied++;
    this.#options.onDenial?.({ type, name, address, port, rule, reason, hint });
  }

  #call(call: HeldCall, members: object, denied: boolean): void {
    this.#options.record(`${call.members},${JSON.stringify(members).slice(1, -1)}`, denied);
  }
}

export interface Peer {
  readonly name?: string | undefined;
  /** Outside. */
  readonly address?: string | undefined;
}

/** A send has a name alone: the rest stands in its arguments. */
function peerOf(call: HeldCall, { name, address }: Peer): object {
  if (!call.connects) return { name };
  return { name, address: address ?? (name === undefined ? call.address : undefined), port: call.port };
}

/** What of a decision goes on record. */
export function judgement({ verdict, rule, hint }: Decision): Decision {
  return hint === undefined ? { verdict, rule } : { verdict, rule, hint };
}

/**
 * Who made a call, as members of its event: they stand between the type and the call itself. (No quote within a string of
 * the record is bare, so that these marks are what they look like.)
 */
export function actorOf({ members }: HeldCall): Actor {
  const start = members.indexOf(",") + 1;
  const end = members.indexOf(',"syscall":');
  const program = /,"program":\d+$/.exec(members)?.[0] ?? "";
  return end < start ? "" : `${members.slice(start, end)}${program}`;
}

function errnoNumber(name: string): number {
  return (
    Object.entries(constants.errno).find(([known]) => known === name)?.[1] ?? constants.errno.ECONNREFUSED
  );
}
