import { once } from "node:events";
import net from "node:net";

import test from "ava";

import { dial, DialError, type DialOptions } from "../../../src/egress/dial.js";
import { listen } from "./loopback.js";

const signal = new AbortController().signal;

/** Attempts that end as told, after so many ms; "open" connects for real, "never" hangs. */
function scripted(port: number, script: Readonly<Record<string, readonly [string, number]>>) {
  const attempts: { readonly address: string; readonly at: number; readonly socket: net.Socket }[] = [];
  const start = performance.now();
  const connect = (address: string): net.Socket => {
    const socket = new net.Socket();
    attempts.push({ address, at: performance.now() - start, socket });
    const [how, after] = script[address] ?? ["never", 0];
    if (how === "open") setTimeout(() => socket.destroyed || socket.connect(port, "127.0.0.1"), after);
    else if (how !== "never")
      setTimeout(() => socket.destroy(Object.assign(new Error(how), { code: how })), after);
    return socket;
  };
  return { attempts, connect };
}

async function errnoOf(options: Partial<DialOptions> & Pick<DialOptions, "addresses">): Promise<string> {
  try {
    (await dial({ port: 9, signal, timeoutMs: 2000, ...options })).destroy();
    return "connected";
  } catch (error) {
    return error instanceof DialError ? error.errno : String(error);
  }
}

test("connects, half-open capable and reading nothing", async (t) => {
  const server = net.createServer((socket) => socket.on("error", () => undefined).end("early"));
  const port = await listen(server);
  const socket = await dial({ addresses: ["127.0.0.1"], port, signal, timeoutMs: 1000 });
  t.true(socket.allowHalfOpen);
  t.true(socket.isPaused());
  t.is(socket.bytesRead, 0);
  socket.destroy();
  server.close();
});

test("families take turns, attempts 250 ms apart, losers are destroyed", async (t) => {
  const server = net.createServer((socket) => socket.on("error", () => undefined));
  const port = await listen(server);
  const { attempts, connect } = scripted(port, { "192.0.2.2": ["open", 10] });
  const addresses = ["2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "192.0.2.2"];
  const socket = await dial({ addresses, port, signal, timeoutMs: 5000, connect });
  t.deepEqual(
    attempts.map(({ address }) => address),
    ["2001:db8::1", "192.0.2.1", "2001:db8::2", "192.0.2.2"],
  );
  for (const [index, { at }] of attempts.entries()) t.true(at >= index * 245, `${index} at ${at}`);
  t.deepEqual(
    attempts.map((attempt) => attempt.socket === socket || attempt.socket.destroyed),
    [true, true, true, true],
  );
  t.false(socket.destroyed);
  socket.destroy();
  server.close();
});

test("a failed attempt begins the next one at once", async (t) => {
  const server = net.createServer((socket) => socket.on("error", () => undefined));
  const port = await listen(server);
  const { attempts, connect } = scripted(port, {
    "192.0.2.1": ["ECONNREFUSED", 5],
    "192.0.2.2": ["open", 0],
  });
  const socket = await dial({
    addresses: ["192.0.2.1", "192.0.2.2"],
    port,
    signal,
    timeoutMs: 5000,
    connect,
  });
  t.true((attempts[1]?.at ?? 999) < 200);
  socket.destroy();
  server.close();
});

test("the most telling errno is the answer", async (t) => {
  const table: readonly (readonly [string, ...string[]])[] = [
    ["ECONNREFUSED", "ENETUNREACH", "ECONNREFUSED"],
    ["ECONNREFUSED", "ECONNREFUSED", "EHOSTUNREACH"],
    ["EHOSTUNREACH", "ENETUNREACH", "EHOSTUNREACH"],
    ["ETIMEDOUT", "ETIMEDOUT", "ENETUNREACH"],
    ["ENETUNREACH", "ENETUNREACH"],
    ["EMFILE", "EMFILE"],
  ];
  for (const [expected, ...outcomes] of table) {
    const script = Object.fromEntries(
      outcomes.map((errno, index) => [`192.0.2.${index}`, [errno, 1] as const]),
    );
    const { connect } = scripted(0, script);
    t.is(await errnoOf({ addresses: Object.keys(script), connect }), expected);
  }
  t.is(await errnoOf({ addresses: [] }), "EADDRNOTAVAIL");
  const { connect, attempts } = scripted(0, {});
  t.is(await errnoOf({ addresses: ["192.0.2.1"], connect, timeoutMs: 50 }), "ETIMEDOUT");
  t.true(attempts.every(({ socket }) => socket.destroyed));
});

test("the kernel's own errno comes through", async (t) => {
  const server = net.createServer((socket) => socket.on("error", () => undefined));
  const port = await listen(server);
  server.close();
  await once(server, "close");
  t.is(await errnoOf({ addresses: ["127.0.0.1"], port }), "ECONNREFUSED");
});

test("nothing is left of an aborted dial", async (t) => {
  const abort = new AbortController();
  const { connect, attempts } = scripted(0, {});
  const errno = errnoOf({ addresses: ["192.0.2.1", "192.0.2.2"], connect, signal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  t.is(await errno, "ECANCELED");
  t.true(attempts.every(({ socket }) => socket.destroyed));
  t.is(await errnoOf({ addresses: ["192.0.2.1"], connect, signal: abort.signal }), "ECANCELED");
  t.is(attempts.length, 1);
});

test("names and odd spellings of addresses are not looked up", async (t) => {
  for (const address of ["localhost", "127.1", "0x7f.1", "2130706433"])
    t.is(await errnoOf({ addresses: [address] }), "EADDRNOTAVAIL", address);
});
