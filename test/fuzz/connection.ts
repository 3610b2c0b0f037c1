/**
 * Tries to get a name past the gate of a connection that was allowed for another one:
 *
 *     node dist/test/fuzz/connection.js [--seconds N] [--seed N]
 *
 * Hellos and requests are grown from sound ones by small changes and cut anywhere. What the gate lets through is given to OpenSSL as a
 * server and to node's HTTP parser at its most lenient. Ends with status 1 and the bytes in hexadecimal where either of them sees a
 * name that is not the connection's, and where anything throws.
 */
import http from "node:http";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { parseArgs } from "node:util";

import { ConnectionGate } from "../../src/egress/connection-gate.js";
import { extension, helloMessage, record, records, serverName, vector } from "../unit/egress/hello-bytes.js";

const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" } } });
const seconds = Number(values.seconds ?? 10);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const random = mulberry32(seed);

const name = "a.example";
const elsewhere = "b.example";

const extensions = [
  extension(0x2a2a, vector(1)),
  extension(10, vector(2, [0, 29])),
  extension(13, vector(2, [4, 3, 8, 4])),
  extension(43, vector(1, [3, 4, 3, 3])),
  extension(51, vector(2, [0, 29], vector(2, Buffer.alloc(32, 9)))),
];
const hellos = [
  [serverName(name)],
  [serverName(elsewhere)],
  [serverName(name, elsewhere)],
  [serverName(name), serverName(elsewhere)],
  [],
]
  .map((names) =>
    helloMessage({
      extensions: [...names, ...extensions],
      suites: vector(2, [0x13, 1, 0xc0, 0x2f, 0, 0x2f]),
    }),
  )
  .flatMap((message) => [
    record(message),
    records(message, 50),
    Buffer.concat([record(Buffer.from([1, 90]), 21), record(message)]),
  ]);

const requests = [name, elsewhere].flatMap((host) =>
  [
    `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `GET http://${host}/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 40\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n`,
    `0\r\n\r\nPOST / HTTP/1.0\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n`,
  ].map((text) => Buffer.from(text)),
);
const words = [
  "\r\n",
  "\n",
  "\r",
  "\r\n\r\n",
  " ",
  "\t",
  "\x0b",
  "\0",
  ":",
  ",",
  ";",
  "0\r\n",
  "Host: ",
  elsewhere,
  "Content-Length: 5\r\n",
  "Transfer-Encoding: ",
  "chunked",
  "\r\n ",
  "HTTP/1.1",
  "@",
  "/",
].map((word) => Buffer.from(word, "latin1"));

let seen: string[] = [];
let tried = 0;
let judged = 0;
const web = http.createServer({ insecureHTTPParser: true, requireHostHeader: false }, (request, response) => {
  seen.push(`HTTP ${request.headers.host ?? name}`);
  request.resume();
  response.end();
});
web.on("clientError", (_error, socket) => socket.destroy());

const end = performance.now() + seconds * 1000;
while (performance.now() < end) await attempt();
console.log(`${tried} attempts in ${seconds} s, ${judged} reached a server's eyes, seed ${seed}: no finding`);
process.exit();

async function attempt(): Promise<void> {
  const family = random() < 0.5 ? hellos : requests;
  let bytes =
    family === hellos
      ? pick(hellos)
      : Buffer.concat(Array.from({ length: 1 + below(3) }, () => pick(requests)));
  for (let change = below(4); change > 0; change--) bytes = mutate(bytes, family);
  tried++;
  try {
    const passed = throughGate(bytes);
    seen = [];
    await Promise.all([family === hellos ? asTls(passed) : asHttp(passed)]);
    judged += seen.length > 0 ? 1 : 0;
    if (seen.some((what) => what.toLowerCase().includes(elsewhere))) report(bytes, seen.join(", "));
  } catch (error) {
    report(bytes, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

function throughGate(bytes: Buffer): Buffer {
  const passed: Buffer[] = [];
  const state = { refused: false };
  const gate = new ConnectionGate({
    agreement: { name, port: 443 },
    handshakeTimeoutMs: 10_000,
    onEvent: () => undefined,
    refuse: () => (state.refused = true),
    forward: (more) => passed.push(more),
  });
  for (let at = 0; at < bytes.length && !state.refused;) {
    const length = 1 + below(random() < 0.5 ? 8 : bytes.length);
    const some = gate.push(bytes.subarray(at, at + length));
    if (some !== undefined) passed.push(some);
    at += length;
  }
  gate.close();
  return Buffer.concat(passed);
}

async function asTls(bytes: Buffer): Promise<void> {
  const wire = duplex(bytes);
  const server = new tls.TLSSocket(wire, {
    isServer: true,
    SNICallback: (asked, done) => {
      seen.push(`TLS ${asked}`);
      done(new Error("enough"));
    },
  });
  server.on("error", () => undefined);
  await turns();
  server.destroy();
  wire.destroy();
}

async function asHttp(bytes: Buffer): Promise<void> {
  const wire = duplex(bytes);
  web.emit("connection", wire);
  await turns();
  wire.destroy();
}

function duplex(bytes: Buffer): Duplex {
  const wire = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  wire.on("error", () => undefined);
  wire.push(bytes);
  return wire;
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function mutate(bytes: Buffer, family: readonly Buffer[]): Buffer {
  const at = below(bytes.length + 1);
  const head = bytes.subarray(0, at);
  const tail = bytes.subarray(at);
  const text = family === requests;
  switch (below(5)) {
    case 0:
      return Buffer.concat([head, text ? pick(words) : Buffer.from([below(256)]), tail]);
    case 1:
      return Buffer.concat([head, tail.subarray(1 + below(text ? 6 : 3))]);
    case 2:
      return Buffer.concat([
        head,
        Buffer.from([text ? 32 + below(96) : pick([0, 1, 2, 3, 20, 22, 127, 255, below(256)])]),
        tail.subarray(1),
      ]);
    case 3:
      return Buffer.concat([head, pick(family)]);
    default:
      return Buffer.concat([head, pick(family).subarray(below(60)), tail]);
  }
}

function report(bytes: Buffer, what: string): never {
  console.log(
    `seed ${seed}, attempt ${tried}: ${what}\n${bytes.toString("hex")}\n${JSON.stringify(bytes.toString("latin1"))}`,
  );
  process.exit(1);
}

function below(limit: number): number {
  return Math.floor(random() * limit);
}

function pick<T>(list: readonly T[]): T {
  const [found] = list.slice(below(list.length));
  if (found === undefined) throw new RangeError("nothing to pick from");
  return found;
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
