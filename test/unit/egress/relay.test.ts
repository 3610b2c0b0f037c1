import { createHash } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import test from "ava";

import { resetSocket } from "../../../src/egress/relay-close.js";
import { RelaySocket } from "../../../src/egress/relay-socket.js";
import { relay, type Relay, type RelayOptions } from "../../../src/egress/relay.js";
import { connectPair, readAll } from "./loopback.js";

/** program ─ inside ═ relay ═ upstream ─ server, with either kind of socket towards upstream. */
async function relayed(
  options: Partial<RelayOptions> = {},
  socket: net.Socket = new RelaySocket(),
): Promise<{
  program: net.Socket;
  server: net.Socket;
  line: Relay;
  inside: net.Socket;
  upstream: net.Socket;
}> {
  const near = await connectPair();
  const far = await connectPair(socket);
  const inside = near.server;
  const upstream = far.client;
  const line = relay({ idleTimeoutMs: 10_000, ...options, inside, upstream });
  return { program: near.client, server: far.server, line, inside, upstream };
}

const kinds = [
  ["a reusable buffer", () => new RelaySocket()],
  ["node's own reading", () => new net.Socket({ allowHalfOpen: true })],
] as const;

for (const [kind, make] of kinds) {
  test(`every byte arrives, both ways at once, and so does FIN (${kind})`, async (t) => {
    const { program, server, line } = await relayed({}, make());
    const size = 256 * 1024 * 1024;
    const results = await Promise.all([
      send(program, size, 65_536),
      send(server, size, 9_001),
      hash(program),
      hash(server),
    ]);
    t.is(results[0], results[3]);
    t.is(results[1], results[2]);
    t.deepEqual(await line.closed, { bytesIn: size, bytesOut: size, reason: "ended" });
  });

  test(`a half-closed direction leaves the other one open (${kind})`, async (t) => {
    for (const first of ["program", "server"] as const) {
      const { line, ...ends } = await relayed({}, make());
      const [one, other] = first === "program" ? [ends.program, ends.server] : [ends.server, ends.program];
      one.end("question");
      t.deepEqual(await readAll(other), { text: "question" });
      other.write("late ");
      await delay(20);
      other.end("answer");
      t.deepEqual(await readAll(one), { text: "late answer" });
      t.is((await line.closed).reason, "ended");
    }
  });

  test(`RST arrives as RST, after the bytes before it (${kind})`, async (t) => {
    for (const [first, reason] of [
      ["program", "reset-by-program"],
      ["server", "reset-by-upstream"],
    ] as const) {
      const { line, ...ends } = await relayed({}, make());
      const [one, other] = first === "program" ? [ends.program, ends.server] : [ends.server, ends.program];
      one.write("last words");
      const heard = readAll(other);
      await delay(30);
      one.resetAndDestroy();
      t.deepEqual(await heard, { text: "last words", error: "ECONNRESET" });
      t.is((await line.closed).reason, reason);
    }
  });

  test(`a slow reader holds up its sender, not the memory (${kind})`, async (t) => {
    const { program, server, line, inside, upstream } = await relayed({}, make());
    let sent = 0;
    const chunk = Buffer.alloc(65_536);
    while (await Promise.race([writeChunk(server, chunk), delay(300, false)])) sent += chunk.length;
    t.true(inside.writableLength + upstream.readableLength <= 1024 * 1024);
    server.end();
    let read = 0;
    program.on("data", (bytes: Buffer) => (read += bytes.length));
    program.end();
    await once(program, "end");
    t.is(read, sent + chunk.length);
    t.is((await line.closed).reason, "ended");
  });
}

test("RST is not taken for FIN when it is seen together with bytes", async (t) => {
  for (const first of ["program", "server"] as const) {
    const { line, ...ends } = await relayed();
    const [one, other] = first === "program" ? [ends.program, ends.server] : [ends.server, ends.program];
    const heard = readAll(other);
    await delay(20);
    one.write("cut sh");
    one.resetAndDestroy();
    t.deepEqual(await heard, { text: "cut sh", error: "ECONNRESET" });
    await line.closed;
  }
});

test("a relay without traffic ends, and one with little traffic does not", async (t) => {
  const { program, server, line } = await relayed({ idleTimeoutMs: 600 });
  const heard = readAll(server);
  for (let round = 0; round < 6; round++) {
    program.write(".");
    await delay(120);
  }
  const start = performance.now();
  t.deepEqual(await heard, { text: "......", error: "ECONNRESET" });
  t.deepEqual(await line.closed, { bytesIn: 0, bytesOut: 6, reason: "idle" });
  t.true(performance.now() - start > 60);
});

test("a reader that never reads counts as idle", async (t) => {
  const { server, line } = await relayed({ idleTimeoutMs: 200 });
  server.write(Buffer.alloc(16 * 1024 * 1024));
  t.is((await line.closed).reason, "idle");
});

test("byte limits hold for one connection and for a shared budget", async (t) => {
  const own = await relayed({ maxBytes: 1000 });
  own.program.write(Buffer.alloc(600));
  own.server.write(Buffer.alloc(600));
  t.is((await own.line.closed).reason, "byte-limit");

  let left = 1000;
  const shared = await relayed({ spend: (bytes) => (left -= bytes) >= 0 });
  shared.program.write(Buffer.alloc(1001));
  t.is((await shared.line.closed).reason, "byte-limit");
  t.is((await readAll(shared.server)).text, "");
});

test("what the gate keeps back is not sent, what it returns is", async (t) => {
  const gate = {
    push: (chunk: Buffer) => (chunk.includes("secret") ? undefined : chunk),
    end: () => Buffer.from("."),
  };
  const { program, server } = await relayed({ gate });
  program.write("one ");
  await delay(20);
  program.write("secret ");
  await delay(20);
  program.end("two");
  t.deepEqual(await readAll(server), { text: "one two." });
});

test("an answer in upstream's place reaches a program that goes on sending", async (t) => {
  const { program, server, line } = await relayed();
  const heard = readAll(program);
  program.write(Buffer.alloc(100_000));
  line.answer(Buffer.from("no"));
  program.write(Buffer.alloc(100_000));
  t.deepEqual(await heard, { text: "no" });
  program.end();
  t.is((await line.closed).reason, "refused");
  t.is((await readAll(server)).error !== undefined, true);
});

test("a socket that failed before the relay began is passed on as such", async (t) => {
  const near = await connectPair();
  const far = await connectPair(new RelaySocket());
  far.client.destroy();
  await once(far.client, "close");
  const heard = readAll(near.client);
  const line = relay({ inside: near.server, upstream: far.client, idleTimeoutMs: 5000 });
  t.is((await heard).error, "ECONNRESET");
  t.is((await line.closed).reason, "reset-by-upstream");
});

test("a reset while a shutdown is under way closes the socket all the same", async (t) => {
  for (const turns of [0, 1, 2]) {
    const { client, server } = await connectPair();
    client.end("bye");
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    resetSocket(client);
    await once(client, "close");
    server.destroy();
    t.true(client.destroyed);
  }
});

async function writeChunk(socket: net.Socket, chunk: Buffer): Promise<boolean> {
  return await new Promise((resolve) => {
    socket.write(chunk, (error) => resolve(error === undefined || error === null));
  });
}

/** Sends bytes of a pattern that repeats at no power of two, then FIN; the digest of what was sent. */
async function send(socket: net.Socket, size: number, chunkBytes: number): Promise<string> {
  const digest = createHash("sha1");
  const pattern = Buffer.alloc(chunkBytes);
  for (let at = 0; at < chunkBytes; at++) pattern[at] = (at * 31 + (at >> 8)) % 251;
  for (let left = size; left > 0;) {
    const chunk = pattern.subarray(0, Math.min(left, chunkBytes));
    digest.update(chunk);
    left -= chunk.length;
    if (!socket.write(chunk)) await once(socket, "drain");
  }
  socket.end();
  return digest.digest("hex");
}

async function hash(socket: net.Socket): Promise<string> {
  const digest = createHash("sha1");
  socket.on("data", (chunk: Buffer) => digest.update(chunk)).resume();
  await once(socket, "end");
  return digest.digest("hex");
}
