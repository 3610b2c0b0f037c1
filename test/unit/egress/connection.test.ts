import { once } from "node:events";
import type net from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import test from "ava";

import type { ConnectionEvent } from "../../../src/egress/connection-event.js";
import { type ConnectionOptions, serveConnection } from "../../../src/egress/connection.js";
import { RelaySocket } from "../../../src/egress/relay-socket.js";
import { captureHello, extension, helloMessage, record, records, serverName } from "./hello-bytes.js";
import { connectPair, readAll } from "./loopback.js";

const pause = 25;

async function connection(options: Partial<ConnectionOptions> = {}) {
  const near = await connectPair();
  const far = await connectPair(new RelaySocket());
  const events: ConnectionEvent[] = [];
  const closed = serveConnection({
    name: "a.example",
    port: 443,
    ...options,
    inside: near.server,
    upstream: far.client,
    onEvent: (event) => events.push(event),
  });
  near.client.setNoDelay(true);
  return { program: near.client, server: far.server, events, closed };
}

/** Sends the pieces one packet after the other, then FIN; what the server heard and what came of it. */
async function send(options: Partial<ConnectionOptions>, ...pieces: readonly (Buffer | string)[]) {
  const { program, server, events, closed } = await connection(options);
  const heard = readAll(server);
  const answer = readAll(program);
  server.once("end", () => server.end());
  for (const piece of pieces) {
    if (!program.writable) break;
    program.write(typeof piece === "string" ? Buffer.from(piece, "latin1") : piece);
    await delay(pause);
  }
  program.end();
  const [served, read, result] = await Promise.all([heard, answer, closed]);
  return { served, read, result, events, verdicts: events.map(({ type, verdict }) => `${type} ${verdict}`) };
}

function named(name: string, ...more: readonly Buffer[]): Buffer {
  return record(helloMessage({ extensions: [serverName(name), ...more] }));
}

const ech = extension(0xfe0d, Buffer.alloc(20));

test("TLS that asks for the name of the connection passes unchanged", async (t) => {
  const hello = await captureHello({ servername: "A.example", ALPNProtocols: ["h2"] });
  for (const pieces of [
    [hello],
    [hello.subarray(0, 1), hello.subarray(1, 5), hello.subarray(5)],
    [records(hello.subarray(5), 40)],
  ]) {
    const { served, events, result } = await send({}, ...pieces, "more");
    t.is(served.text, Buffer.concat([...pieces, Buffer.from("more")]).toString("latin1"));
    t.deepEqual(events[0], {
      type: "net.tls",
      serverName: "a.example",
      alpn: ["h2"],
      encryptedClientHello: false,
      verdict: "allow",
      reason: undefined,
    });
    t.deepEqual(events[1], { type: "net.close", verdict: "allow", ...result });
    t.is(result.reason, "ended");
  }
});

const refusedHellos: readonly (readonly [string, Buffer, RegExp])[] = [
  ["another name", named("b.example"), /asks for b\.example, the connection is to a\.example/],
  ["a name below", named("x.a.example"), /asks for x\.a\.example/],
  ["no name", record(helloMessage({ extensions: [] })), /names no server/],
  ["SSL 2.0's form", Buffer.from([0x80, 0x2e, 1, 3, 1, 0, 3, 0, 0, 0, 16]), /names no server/],
  [
    "two names",
    record(helloMessage({ extensions: [serverName("a.example", "b.example")] })),
    /more than one/,
  ],
  [
    "an alert in front",
    Buffer.concat([record(Buffer.from([1, 0]), 21), named("b.example")]),
    /before the ClientHello/,
  ],
];

for (const [title, hello, reason] of refusedHellos)
  test(`TLS is reset, and nothing of it goes upstream: ${title}`, async (t) => {
    const { served, read, events, result } = await send({}, hello);
    t.is(served.text, "");
    t.is(read.error, "ECONNRESET");
    t.is(result.reason, "refused");
    t.like(events[0], { type: "net.tls", verdict: "deny" });
    const [event] = events;
    if (event?.type === "net.tls") t.regex(event.reason ?? "", reason);
  });

const changeCipherSpec = record(Buffer.from([1]), 20, [3, 3]);
const data = record(Buffer.alloc(40, 5), 23, [3, 3]);
const early = named("a.example", extension(42, Buffer.alloc(0)));

test("a second hello asks for the same name", async (t) => {
  for (const between of [[], [changeCipherSpec], [changeCipherSpec, data, data]]) {
    const first = between.length > 2 ? early : named("a.example");
    const good = Buffer.concat([...between, named("a.example"), data]);
    const same = await send({}, first, good.subarray(0, 3), good.subarray(3, 60), good.subarray(60));
    t.is(same.served.text, Buffer.concat([first, good]).toString("latin1"));
    t.deepEqual(same.verdicts, ["net.tls allow", "net.tls allow", "net.close allow"]);
    for (const pieces of [
      [first, ...between, named("b.example")],
      [Buffer.concat([first, ...between, named("b.example")])],
    ]) {
      const other = await send({}, ...pieces);
      t.false(other.served.text.includes("b.example"));
      t.deepEqual(other.verdicts, ["net.tls allow", "net.tls deny", "net.close allow"]);
    }
  }
});

test("a second hello that cannot be read is refused for a name, and passes for an address", async (t) => {
  const second = Buffer.concat([changeCipherSpec, record(helloMessage({ after: [1] }))]);
  const bytes = Buffer.concat([named("a.example"), second]);
  t.deepEqual((await send({}, bytes)).verdicts, ["net.tls allow", "net.tls deny", "net.close allow"]);
  const { served, verdicts } = await send({ name: undefined }, bytes);
  t.is(served.text, bytes.toString("latin1"));
  t.deepEqual(verdicts, ["net.tls allow", "net.tls allow", "net.close allow"]);
});

test("a first line without end is refused as a request", async (t) => {
  const { verdicts, served } = await send({}, "x".repeat(20_000));
  t.is(served.text, "");
  t.deepEqual(verdicts, ["net.http deny", "net.close allow"]);
});

test("after a hello, what cannot be a second one passes as it comes", async (t) => {
  const keyExchange = record(Buffer.from([16, 0, 0, 2, 0, 0]));
  for (const next of [data, keyExchange, Buffer.concat([changeCipherSpec, data])]) {
    const { served, verdicts } = await send({}, named("a.example"), next, named("b.example"));
    t.is(served.text, Buffer.concat([named("a.example"), next, named("b.example")]).toString("latin1"));
    t.deepEqual(verdicts, ["net.tls allow", "net.close allow"]);
  }
});

test("what is refused of TLS by default can be set, and the other way round", async (t) => {
  const nameless = await send({ allowMissingServerName: true }, record(helloMessage({ extensions: [] })));
  t.deepEqual(nameless.verdicts, ["net.tls allow", "net.close allow"]);
  t.deepEqual((await send({}, named("a.example", ech))).verdicts, ["net.tls allow", "net.close allow"]);
  t.deepEqual((await send({ refuseEncryptedClientHello: true }, named("a.example", ech))).verdicts, [
    "net.tls deny",
    "net.close allow",
  ]);
});

test("a hello that is never completed is reset, and so is one that comes late", async (t) => {
  const half = await send(
    { timeouts: { handshakeMs: 60 } },
    named("a.example").subarray(0, 20),
    "",
    "",
    "",
    "",
    "",
  );
  t.is(half.served.text, "");
  t.deepEqual(half.verdicts, ["net.tls deny", "net.close allow"]);
  // Silence is no protocol: after any time the first bytes are looked at.
  const { program, server, events } = await connection({ timeouts: { handshakeMs: 60 } });
  await delay(400);
  program.write(named("b.example"));
  t.is((await readAll(server)).text, "");
  t.like(events[0], { type: "net.tls", verdict: "deny" });
});

test("each HTTP request is for the name and the port of the connection", async (t) => {
  const get = (host: string): string => `GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const web = { port: 8080 };
  const good = await send(web, get("a.example"), get("a.example:8080"));
  t.is(good.served.text, get("a.example") + get("a.example:8080"));
  t.deepEqual(
    good.events
      .slice(0, 2)
      .map((event) => (event.type === "net.http" ? [event.method, event.host, event.target] : [])),
    [
      ["GET", "a.example", "/x"],
      ["GET", "a.example:8080", "/x"],
    ],
  );
  for (const host of ["b.example", "a.example:80", "a.example.b.example"]) {
    const bad = await send(web, get(host));
    t.is(bad.served.text, "");
    t.regex(bad.read.text, /^HTTP\/1\.1 403 Forbidden\r\n[^]*skillbox: the request is for/);
    t.deepEqual(bad.verdicts, ["net.http deny", "net.close allow"]);
  }
  const second = await send(web, get("a.example"), get("b.example"));
  t.is(second.served.text, get("a.example"));
  t.regex(second.read.text, /403 Forbidden/);
  t.is(second.result.reason, "refused");
});

const disguises = [
  ["two words", "GET\t/ HTTP/1.1\r\nHost: b.example\r\n\r\n"],
  ["no capitals", "get / http/1.1\r\nHost: b.example\r\n\r\n"],
  ["line feeds alone", "GET / HTTP/1.1\nHost: b.example\n\n"],
  ["empty lines in front", "\n\r\n GET / HTTP/1.1\r\nHost: b.example\r\n\r\n"],
  ["a long method", `${"X".repeat(1000)} / HTTP/1.1\r\nHost: b.example\r\n\r\n`],
  ["HTTP/0.9 with fields, as node's parser reads it", "GET /\r\nHost: b.example\r\n\r\n"],
  ["RTSP, likewise", "OPTIONS rtsp://b.example/ RTSP/1.0\r\nHost: b.example\r\n\r\n"],
  ["a vertical tab", "GET\x0b/ HTTP/1.1\r\nHost: b.example\r\n\r\n"],
  ["HTTP/2 by prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  [
    "an upgrade that the server declines",
    "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: x\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n",
  ],
  [
    "TLS in a tunnel",
    `CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n${named("b.example").toString("latin1")}`,
  ],
] as const;

for (const [title, text] of disguises)
  test(`a request does not pass as another protocol: ${title}`, async (t) => {
    const { served, verdicts } = await send({}, text);
    t.false(/b\.example|PRI/.test(served.text));
    t.true(
      verdicts.some((verdict) => verdict.endsWith("deny")),
      verdicts.join(),
    );
  });

test("a request line that stalls goes on, and is judged all the same", async (t) => {
  const { program, server, events } = await connection();
  const heard = readAll(server);
  program.write("GE");
  await delay(1500);
  program.write("T / HTTP/1.1\r\nHost: b.exa");
  await delay(pause);
  program.write("mple\r\n\r\n");
  const { text } = await heard;
  t.is(text, "GE");
  t.like(events[0], { type: "net.http", verdict: "deny" });

  const good = await connection();
  const all = readAll(good.server);
  good.program.write("GE");
  await delay(1500);
  good.program.end("T / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  t.is((await all).text, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  good.server.end();
  await good.closed;
});

const opaque = [
  ["ssh", "SSH-2.0-OpenSSH_9.2\r\n"],
  ["redis", "*1\r\n$4\r\nPING\r\n"],
  ["redis inline", "PING\r\n"],
  ["PostgreSQL", "\0\0\0\x08\x04\xd2\x16\x2f"],
  ["git", "003egit-upload-pack /project.git\0host=a.example\0"],
  ["memcached", "get /key\r\n"],
  ["SIP", "OPTIONS sip:bob@b.example SIP/2.0\r\n"],
  ["smtp", "EHLO a HTTP\r\n"],
  ["ZooKeeper, four letters and no end of line", "ruok"],
  ["AMQP", "AMQP\0\0\x09\x01"],
] as const;

for (const [title, text] of opaque)
  test(`other protocols pass: ${title}`, async (t) => {
    const { program, server, events } = await connection();
    program.write(Buffer.from(text, "latin1"));
    t.is(await firstText(server), text);
    server.write("answer");
    t.is(await firstText(program), "answer");
    t.deepEqual(events, []);
    program.destroy();
    server.destroy();
  });

test("a server that speaks first is heard at once", async (t) => {
  const { program, server } = await connection();
  const start = performance.now();
  server.write("220 mail\r\n");
  await once(program, "data");
  t.true(performance.now() - start < 5000);
  program.destroy();
  server.destroy();
});

test("over a connection to an address, names are recorded and nothing is refused for them", async (t) => {
  const address = { name: undefined };
  const tls = await send(address, named("whatever.example"));
  t.like(tls.events[0], { type: "net.tls", serverName: "whatever.example", verdict: "allow" });
  const get = "GET / HTTP/1.1\r\nHost: whatever.example\r\n\r\n";
  t.like((await send(address, get)).events[0], {
    type: "net.http",
    host: "whatever.example",
    verdict: "allow",
  });
  for (const odd of [
    "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nand more",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "\x16\x03\x01\0\0rest",
  ]) {
    const { served, events } = await send(address, odd);
    t.is(served.text, odd);
    t.like(events[0], { verdict: "allow" });
  }
  const slow = await send(
    { ...address, timeouts: { handshakeMs: 40 } },
    "GET / HTTP/1.1\r\n",
    "",
    "",
    "",
    "Host: x\r\n\r\n",
  );
  t.is(slow.served.text, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
});

test("a head that trickles in has to be complete in time", async (t) => {
  const text = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
  const { served, read, verdicts } = await send(
    { timeouts: { handshakeMs: 100 } },
    ...(text.match(/[^]/g) ?? []),
  );
  t.false(served.text.includes("a.example"));
  t.regex(read.text, /403/);
  t.deepEqual(verdicts, ["net.http deny", "net.close allow"]);
});

async function firstText(socket: net.Socket): Promise<string> {
  const chunk = await new Promise<Buffer>((resolve) => {
    socket.once("data", resolve).resume();
  });
  return chunk.toString("latin1");
}
