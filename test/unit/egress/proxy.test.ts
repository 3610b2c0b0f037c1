import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";

import test from "ava";

import { serveConnection } from "../../../src/egress/connection.js";
import { dial, DialError } from "../../../src/egress/dial.js";
import { serveProxyClient } from "../../../src/egress/http-or-socks-proxy.js";
import type { ProxyTarget } from "../../../src/egress/proxy-target.js";
import { parseNoProxy, bypassesProxy } from "../../../src/egress/upstream-proxy-bypass.js";
import { parseProxyUrl } from "../../../src/egress/upstream-proxy-url.js";
import { dialThroughProxy } from "../../../src/egress/upstream-proxy.js";
import { connectPair, listen, readAll } from "./loopback.js";

const signal = new AbortController().signal;

async function direct(port: number): Promise<net.Socket> {
  return await dial({ addresses: ["127.0.0.1"], port, signal, timeoutMs: 5000 });
}

/** A proxy whose outside is `port` for everything but b.example (refused) and down.example (does not answer). */
async function proxy(port: number, onTarget: (target: ProxyTarget) => void = () => undefined) {
  const done: Promise<unknown>[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    const served = serveProxyClient(socket, {
      handshakeTimeoutMs: 1500,
      open: async (target) => {
        onTarget(target);
        if (target.host === "b.example") return { refused: "no rule allows b.example" };
        if (target.host === "down.example") throw new DialError("ECONNREFUSED", []);
        return await direct(port);
      },
      serve: async ({ kind, host, port: targetPort }, inside, upstream, early) =>
        serveConnection({
          inside,
          upstream,
          early,
          name: kind === "name" ? host : undefined,
          port: targetPort,
          onEvent: () => undefined,
        }),
    });
    done.push(served);
  });
  return { server, port: await listen(server), done };
}

async function withEcho<T>(use: (proxyPort: number, targets: ProxyTarget[]) => Promise<T>): Promise<T> {
  const echo = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => socket.write(chunk)).on("end", () => socket.end());
  });
  const targets: ProxyTarget[] = [];
  const { server, port } = await proxy(await listen(echo), (target) => targets.push(target));
  try {
    return await use(port, targets);
  } finally {
    server.close();
    echo.close();
  }
}

/** What a raw client hears. */
async function ask(port: number, text: string, end = true): Promise<string> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.write(Buffer.from(text, "latin1"));
  if (end) socket.end();
  const heard = await readAll(socket);
  socket.destroy();
  return heard.text;
}

const socksHello = "\x05\x01\x00";

test("CONNECT opens a tunnel, with what was sent along", async (t) => {
  await withEcho(async (port, targets) => {
    const established = "HTTP/1.1 200 Connection established\r\n\r\n";
    t.is(
      await ask(port, "CONNECT a.example:22 HTTP/1.1\r\nHost: a.example:22\r\n\r\nSSH-2.0-x\r\n"),
      `${established}SSH-2.0-x\r\n`,
    );
    t.is(await ask(port, "CONNECT [2001:DB8::1]:443 HTTP/1.0\r\n\r\nhi\r\n"), `${established}hi\r\n`);
    t.deepEqual(targets, [
      { host: "a.example", kind: "name", port: 22 },
      { host: "2001:db8::1", kind: "address", port: 443 },
    ]);
  });
});

test("SOCKS 5 connects to names and addresses, with what was sent along", async (t) => {
  await withEcho(async (port, targets) => {
    const granted = "\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0";
    t.is(
      await ask(port, `${socksHello}\x05\x01\x00\x03\x09a.Example\x00\x16SSH-2.0-x\r\n`),
      `${granted}SSH-2.0-x\r\n`,
    );
    t.is(await ask(port, `\x05\x02\x02\x00\x05\x01\x00\x01\x7f\0\0\x01\x01\xbbhi\r\n`), `${granted}hi\r\n`);
    t.is(
      await ask(port, `${socksHello}\x05\x01\x00\x04${"\0".repeat(15)}\x01\x01\xbbhi\r\n`),
      `${granted}hi\r\n`,
    );
    t.deepEqual(targets, [
      { host: "a.example", kind: "name", port: 22 },
      { host: "127.0.0.1", kind: "address", port: 443 },
      { host: "0:0:0:0:0:0:0:1", kind: "address", port: 443 },
    ]);
  });
});

const refusals: readonly (readonly [string, string, RegExp | string])[] = [
  [
    "CONNECT to what no rule allows",
    "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n",
    /^HTTP\/1\.1 403 [^]*no rule allows b\.example\n$/,
  ],
  [
    "CONNECT to what is down",
    "CONNECT down.example:443 HTTP/1.1\r\nHost: down.example:443\r\n\r\n",
    /^HTTP\/1\.1 502 [^]*ECONNREFUSED/,
  ],
  ["CONNECT without port", "CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n", /^HTTP\/1\.1 400 /],
  ["CONNECT with a NUL", "CONNECT a.example\0.b:443 HTTP/1.1\r\nHost: a\r\n\r\n", /^HTTP\/1\.1 400 /],
  [
    "CONNECT with user information",
    "CONNECT x@a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n",
    /^HTTP\/1\.1 400 /,
  ],
  [
    "CONNECT with a trailing dot",
    "CONNECT a.example.:443 HTTP/1.1\r\nHost: a.example.\r\n\r\n",
    /^HTTP\/1\.1 400 /,
  ],
  ["CONNECT to 0x7f.1", "CONNECT 0x7f.1:443 HTTP/1.1\r\nHost: 0x7f.1:443\r\n\r\n", /^HTTP\/1\.1 400 /],
  ["CONNECT to port 0", "CONNECT a.example:0 HTTP/1.1\r\nHost: a.example\r\n\r\n", /^HTTP\/1\.1 400 /],
  [
    "CONNECT to port 65536",
    "CONNECT a.example:65536 HTTP/1.1\r\nHost: a.example\r\n\r\n",
    /^HTTP\/1\.1 400 /,
  ],
  ["origin form", "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", /^HTTP\/1\.1 400 [^]*this is a proxy/],
  [
    "https in absolute form",
    "GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    /^HTTP\/1\.1 400 /,
  ],
  [
    "an absolute form elsewhere",
    "GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n",
    /^HTTP\/1\.1 403 /,
  ],
  [
    "a Connection field that takes Host away",
    "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nConnection: close, Host\r\n\r\n",
    /^HTTP\/1\.1 400 /,
  ],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", /^HTTP\/1\.1 400 /],
  [
    "a header bomb",
    `CONNECT a.example:443 HTTP/1.1\r\n${"X: y\r\n".repeat(10_000)}`,
    /^HTTP\/1\.1 400 [^]*32 KiB/,
  ],
  ["SOCKS 4", "\x04\x01\x00\x50\x7f\0\0\x01\0", "\0\x5b\0\0\0\0\0\0"],
  ["SOCKS 4a", "\x04\x01\x00\x50\0\0\0\x01\0a.example\0", "\0\x5b\0\0\0\0\0\0"],
  ["SOCKS 5 with a password alone", "\x05\x01\x02", "\x05\xff"],
  ["SOCKS 5 to what no rule allows", `${socksHello}\x05\x01\x00\x03\x09b.example\x01\xbb`, "\x05\0\x05\x02"],
  ["SOCKS 5 to what is down", `${socksHello}\x05\x01\x00\x03\x0cdown.example\x01\xbb`, "\x05\0\x05\x05"],
  ["SOCKS 5 BIND", `${socksHello}\x05\x02\x00\x03\x09a.example\x01\xbb`, "\x05\0\x05\x07"],
  ["SOCKS 5 UDP ASSOCIATE", `${socksHello}\x05\x03\x00\x03\x09a.example\x01\xbb`, "\x05\0\x05\x07"],
  [
    "SOCKS 5 with another address type",
    `${socksHello}\x05\x01\x00\x02\x09a.example\x01\xbb`,
    "\x05\0\x05\x08",
  ],
  [
    "SOCKS 5 with a NUL in the name",
    `${socksHello}\x05\x01\x00\x03\x0ba.example\0b\x01\xbb`,
    "\x05\0\x05\x01",
  ],
  ["SOCKS 5 with a trailing dot", `${socksHello}\x05\x01\x00\x03\x0aa.example.\x01\xbb`, "\x05\0\x05\x01"],
  ["SOCKS 5 with an empty name", `${socksHello}\x05\x01\x00\x03\x00\x01\xbb`, "\x05\0\x05\x01"],
  ["SOCKS 5 to 127.1 by name", `${socksHello}\x05\x01\x00\x03\x05127.1\x01\xbb`, "\x05\0\x05\x01"],
  ["SOCKS 5 to port 0", `${socksHello}\x05\x01\x00\x03\x09a.example\0\0`, "\x05\0\x05\x01"],
];

for (const [title, text, answer] of refusals)
  test(`a proxy client hears why: ${title}`, async (t) => {
    await withEcho(async (port) => {
      const heard = await ask(port, text, false);
      if (typeof answer === "string") t.true(heard.startsWith(answer), JSON.stringify(heard));
      else t.regex(heard, answer);
    });
  });

test("a client that never ends its request is dropped", async (t) => {
  await withEcho(async (port) => {
    const texts = ["", "CONNECT a.exam", "\x05", `${socksHello}\x05\x01\x00\x03\x09a`];
    const heard = await Promise.all(texts.map((text) => ask(port, text, false)));
    t.deepEqual(heard, ["", "", "", "\x05\0"]);
  });
});

test("absolute-form requests are forwarded in origin form, for one host a connection", async (t) => {
  const seen: string[] = [];
  const web = http.createServer((request, response) => {
    seen.push(`${request.method ?? ""} ${request.url ?? ""} ${JSON.stringify(request.rawHeaders)}`);
    request.resume().on("end", () => response.end("ok"));
  });
  const { server, port } = await proxy(await listen(web));
  const answer = await ask(
    port,
    "POST http://A.example:80/x?y=http://b.example/ HTTP/1.1\r\nHost: a.example\r\nProxy-Authorization: Basic x\r\nConnection: keep-alive, X-Drop\r\n" +
      "X-Drop: 1\r\nX-Keep: 2\r\nContent-Length: 2\r\n\r\nhi",
    false,
  );
  t.regex(answer, /^HTTP\/1\.1 200 OK[^]*Connection: close[^]*ok/);
  t.deepEqual(seen, [
    'POST /x?y=http://b.example/ ["Host","a.example","X-Keep","2","Content-Length","2","Connection","close"]',
  ]);
  t.regex(await ask(port, "OPTIONS http://a.example HTTP/1.1\r\nHost: a.example\r\n\r\n"), /^HTTP\/1\.1 200/);
  t.regex(seen[1] ?? "", /^OPTIONS \* /);
  await ask(
    port,
    "GET http://a.example/1 HTTP/1.1\r\nHost: a.example\r\n\r\nGET http://b.example/2 HTTP/1.1\r\nHost: b.example\r\n\r\n",
  );
  t.false(seen.some((line) => line.includes("/2 ")));
  server.close();
  web.close();
});

test("node's own http client is served by the proxy", async (t) => {
  const web = http.createServer((_request, response) => response.end("ok"));
  const { server, port } = await proxy(await listen(web));
  const request = http.get({
    host: "127.0.0.1",
    port,
    path: "http://a.example/",
    headers: { Host: "a.example" },
  });
  const [response] = await new Promise<[http.IncomingMessage]>((resolve) => {
    request.once("response", (message) => resolve([message]));
  });
  t.is(response.statusCode, 200);
  response.resume();
  await once(response, "end");
  server.close();
  web.close();
});

for (const scheme of ["http", "socks5"] as const)
  test(`dials through another proxy: ${scheme}`, async (t) => {
    await withEcho(async (port, targets) => {
      const parsed = parseProxyUrl(`${scheme}://127.0.0.1:${port}`);
      if ("problem" in parsed) return t.fail(parsed.problem);
      const through = async (target: ProxyTarget) =>
        dialThroughProxy({
          proxy: parsed.value,
          proxyAddresses: ["127.0.0.1"],
          target,
          signal,
          timeoutMs: 5000,
        });
      for (const target of [
        { host: "a.example", kind: "name", port: 22 },
        { host: "2001:db8::1", kind: "address", port: 443 },
        { host: "192.0.2.1", kind: "address", port: 443 },
      ] as const) {
        const upstream = await through(target);
        const near = await connectPair();
        const closed = serveConnection({
          inside: near.server,
          upstream,
          name: undefined,
          port: 1,
          onEvent: () => undefined,
        });
        near.client.end("over and out\r\n");
        t.is((await readAll(near.client)).text, "over and out\r\n");
        t.is((await closed).reason, "ended");
      }
      t.is(targets.length, 3);
      for (const host of ["b.example", "down.example"]) {
        const error = await t.throwsAsync(through({ host, kind: "name", port: 443 }), {
          instanceOf: DialError,
        });
        t.is(error.errno, scheme === "http" && host === "down.example" ? "EHOSTUNREACH" : "ECONNREFUSED");
      }
      return undefined;
    });
  });

/** A proxy that answers each chunk with the next line of a script, and keeps what it heard. */
async function scriptedProxy(...answers: readonly string[]) {
  const heard: string[] = [];
  const server = net.createServer((socket) => {
    let next = 0;
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      heard.push(chunk.toString("latin1"));
      socket.write(Buffer.from(answers[next++] ?? "", "latin1"));
    });
  });
  return { heard, server, port: await listen(server) };
}

async function throughScripted(url: string, answers: readonly string[]) {
  const { heard, server, port } = await scriptedProxy(...answers);
  const parsed = parseProxyUrl(url.replace("PORT", String(port)));
  if ("problem" in parsed) throw new Error(parsed.problem);
  const target = { host: "a.example", kind: "name", port: 443 } as const;
  try {
    const socket = await dialThroughProxy({
      proxy: parsed.value,
      proxyAddresses: ["127.0.0.1"],
      target,
      signal,
      timeoutMs: answers.length === 0 ? 200 : 2000,
    });
    const near = await connectPair();
    void serveConnection({
      inside: near.server,
      upstream: socket,
      name: undefined,
      port: 1,
      onEvent: () => undefined,
    });
    const early = await Promise.race([
      once(near.client, "data").then(([chunk]) => String(chunk)),
      delay(50, ""),
    ]);
    near.client.destroy();
    return { heard, early };
  } catch (error) {
    return { heard, errno: error instanceof DialError ? error.errno : String(error) };
  } finally {
    server.close();
  }
}

test("credentials, early bytes and refusals of another proxy", async (t) => {
  const basic = await throughScripted("http://us%3Aer:p%40ss@127.0.0.1:PORT", [
    "HTTP/1.1 200 OK\r\nX: y\r\n\r\n220 early\r\n",
  ]);
  t.deepEqual(basic, {
    heard: [
      `CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: Basic ${btoa("us:er:p@ss")}\r\n\r\n`,
    ],
    early: "220 early\r\n",
  });
  const socks = await throughScripted("socks5h://user:pass@127.0.0.1:PORT", [
    "\x05\x02",
    "\x01\0",
    "\x05\0\0\x03\x01x\0\0early",
  ]);
  t.deepEqual(socks, {
    heard: ["\x05\x02\0\x02", "\x01\x04user\x04pass", "\x05\x01\0\x03\x09a.example\x01\xbb"],
    early: "early",
  });
  const table = [
    ["http://127.0.0.1:PORT", ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"], "ECONNREFUSED"],
    ["http://127.0.0.1:PORT", ["HTTP/1.1 504 Gateway Timeout\r\n\r\n"], "ETIMEDOUT"],
    ["http://127.0.0.1:PORT", ["SSH-2.0-x\r\n\r\n\r\n"], "EPROTO"],
    ["http://127.0.0.1:PORT", ["x".repeat(200_000)], "EPROTO"],
    ["http://127.0.0.1:PORT", [], "ETIMEDOUT"],
    ["socks5://127.0.0.1:PORT", ["\x05\xff"], "ECONNREFUSED"],
    ["socks5://u:p@127.0.0.1:PORT", ["\x05\x02", "\x01\x01"], "ECONNREFUSED"],
    ["socks5://127.0.0.1:PORT", ["\x05\0", "\x05\x04\0\x01\0\0\0\0\0\0"], "EHOSTUNREACH"],
    ["socks5://127.0.0.1:PORT", ["HTTP/1.1 400"], "EPROTO"],
  ] as const;
  for (const [url, answers, errno] of table)
    t.is((await throughScripted(url, answers)).errno, errno, answers[0]);
});

test("proxy URLs", (t) => {
  t.like(parseProxyUrl("proxy.example"), {
    value: { kind: "http", proxy: { host: "proxy.example", port: 80 }, user: undefined },
  });
  t.like(parseProxyUrl("HTTP://[2001:db8::1]:3128/"), {
    value: { kind: "http", proxy: { host: "2001:db8::1", port: 3128 } },
  });
  t.like(parseProxyUrl("socks5://u:p:q@proxy.example"), {
    value: { kind: "socks5", proxy: { port: 1080 }, user: "u", password: "p:q" },
  });
  for (const bad of [
    "",
    "https://p.example",
    "ftp://p.example",
    "http://p.example/path",
    "http://p.example:0",
    "http://%@p.example",
    "http://a b",
    "http://127.1",
  ])
    t.true("problem" in parseProxyUrl(bad), bad);
});

test("NO_PROXY", (t) => {
  const bypass = parseNoProxy(
    "corp.example, .local *.int.example,10.0.0.0/8 192.0.2.1,[2001:db8::1]:443,web.example:8080,!!",
  );
  const name = (host: string, port = 443): boolean => bypassesProxy(bypass, { host, kind: "name", port });
  const address = (host: string, port = 443): boolean =>
    bypassesProxy(bypass, { host, kind: "address", port });
  for (const host of ["corp.example", "a.corp.example", "local", "a.local", "x.int.example"])
    t.true(name(host), host);
  for (const host of ["xcorp.example", "example", "web.example"]) t.false(name(host), host);
  t.true(name("web.example", 8080));
  for (const host of ["10.2.3.4", "192.0.2.1", "2001:db8::1"]) t.true(address(host), host);
  t.false(address("2001:db8::1", 80));
  t.false(address("11.0.0.1"));
  t.true(bypassesProxy(parseNoProxy("a,*"), { host: "b.example", kind: "name", port: 1 }));
  t.false(bypassesProxy(parseNoProxy(""), { host: "b.example", kind: "name", port: 1 }));
});
