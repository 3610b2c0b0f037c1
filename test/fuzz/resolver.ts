/**
 * Throws hostile messages at the DNS resolver for a while, and checks each reply:
 *
 *     node dist/test/fuzz/resolver.js [--seconds N] [--seed N]
 *
 * Messages are grown from sound queries by small changes, those that led to a reply of a new shape being grown further.
 * Ends with status 1 and the message in hexadecimal at the first reply that is not well formed, too long, late or thrown.
 */
import { parseArgs } from "node:util";

import { WildcardLimits } from "../../src/egress/names-limit.js";
import { Resolver } from "../../src/egress/resolver.js";
import { EgressRules } from "../../src/egress/rules.js";
import { SyntheticAddresses } from "../../src/egress/synthetic.js";
import { opt, queryBytes, readReply } from "../unit/egress/dns-bytes.js";

const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" } } });
const seconds = Number(values.seconds ?? 10);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const random = mulberry32(seed);

/** Far above what any message takes: only a loop is longer. */
const patienceMs = 500;

/** Lengths, label types and pointers at their borders, and types. */
const borders = [0, 1, 2, 12, 28, 41, 63, 64, 65, 127, 128, 191, 192, 251, 252, 255];

const egress = [{ to: ["pypi.org", "*.pythonhosted.org", "**.deep.example"], except: [], ports: [] }];
let events = 0;
let resolver = newResolver();

const sound = [
  queryBytes({}),
  queryBytes({
    type: 28,
    counts: [1, 0, 0, 1],
    rest: opt(1232, 0, Buffer.from("000a00080102030405060708", "hex")),
  }),
  queryBytes({ type: 12, name: ["1", "0", "98", "55", "in-addr", "arpa"] }),
  queryBytes({ type: 12, name: [...("10000000000000000000000026370003".match(/./g) ?? []), "ip6", "arpa"] }),
  queryBytes({ type: 65, name: ["a", "b", "deep", "example"] }),
  queryBytes({ type: 251, counts: [1, 0, 1, 0], rest: opt(1) }),
  queryBytes({ name: [] }),
];
let corpus: Buffer[] = [...sound];
const shapes = new Set<string>();
let messages = 0;
const end = performance.now() + seconds * 1000;

while (performance.now() < end) {
  for (let index = 0; index < 1000; index += 1) check(mutate(aMessage()));
  // The state of a run is bounded; start others, so that every part of it is met young.
  if (random() < 0.01) resolver = newResolver();
  if (corpus.length > 5000) corpus = [...sound, ...corpus.slice(-1000)];
}
console.log(
  `${messages} messages in ${seconds} s, ${shapes.size} shapes of replies, seed ${seed}: no finding`,
);

function check(message: Buffer): void {
  messages += 1;
  const transport = random() < 0.5 ? "udp" : "tcp";
  const maxBytes = random() < 0.8 ? 65_535 : Math.floor(random() * 600);
  events = 0;
  try {
    const started = performance.now();
    const reply = resolver.answer(message, transport, maxBytes);
    const tookMs = performance.now() - started;
    const told = events;
    if (tookMs > patienceMs) checkTime(message);
    if (reply === undefined) return;
    if (reply.length > Math.min(maxBytes, transport === "udp" ? 1232 : 65_535)) throw new Error("too long");
    const read = readReply(reply);
    if (read.id !== message.readUInt16BE(0) || (read.flags & 0x8000) === 0)
      throw new Error("not a reply to it");
    if (told !== 1) throw new Error(`${told} events for one reply`);
    const counts = [read.questions, read.answers, read.authority, read.additional].map(
      ({ length }) => length,
    );
    const [question] = read.questions;
    const asked = [
      Math.min(question?.type ?? 0, 260),
      question?.class === 1,
      question?.name.split(".").length,
    ];
    const shape = [read.rcode, ...asked, ...counts, read.truncated].join();
    if (shapes.has(shape)) return;
    shapes.add(shape);
    corpus.push(message);
  } catch (error) {
    console.error(`seed ${seed}, ${transport}, ${maxBytes} bytes at most: ${message.toString("hex")}`);
    throw error;
  }
}

/** On a loaded machine time passes while others run; what the message itself takes shows in the processor's time. */
function checkTime(message: Buffer): void {
  const before = process.cpuUsage();
  newResolver().answer(message, "udp", 65_535);
  const { user, system } = process.cpuUsage(before);
  if ((user + system) / 1000 > patienceMs) throw new Error("took too long");
}

function mutate(parent: Buffer): Buffer {
  let message = Buffer.from(parent);
  for (let changes = Math.floor(random() * 5); changes >= 0; changes -= 1) {
    const at = Math.floor(random() * (message.length + 1));
    const way = random();
    if (way < 0.4 && at < message.length) message[at] = byte();
    else if (way < 0.55) message = message.subarray(0, at);
    else if (way < 0.7) message = Buffer.concat([message.subarray(0, at), noise(), message.subarray(at)]);
    else if (way < 0.85)
      message = Buffer.concat([message.subarray(0, at), aMessage().subarray(Math.min(at, 12))]);
    else if (way < 0.99) message = Buffer.concat([message, message.subarray(at)]);
    else message = Buffer.concat([message, Buffer.alloc(Math.floor(random() * 65_000), byte())]);
    message = Buffer.from(message.subarray(0, 65_535));
  }
  return message;
}

function byte(): number {
  return random() < 0.5 ? (pick(borders) ?? 0) : Math.floor(random() * 256);
}

function noise(): Buffer {
  return Buffer.from(Array.from({ length: 1 + Math.floor(random() * 8) }, byte));
}

function newResolver(): Resolver {
  return new Resolver({
    rules: new EgressRules({ egress, egressDeny: [] }, { ownAddresses: () => [] }),
    synthetic: new SyntheticAddresses({ capacity: 50 }),
    limits: new WildcardLimits(),
    onQuery: () => (events += 1),
    rate: { burst: Infinity },
  });
}

function aMessage(): Buffer {
  return pick(corpus) ?? queryBytes({});
}

function pick<T>(list: readonly T[]): T | undefined {
  return list[Math.floor(random() * list.length)];
}

/** A small generator with a seed, so that a finding can be had again (Tommy Ettinger's, public domain). */
function mulberry32(start: number): () => number {
  let state = start | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
