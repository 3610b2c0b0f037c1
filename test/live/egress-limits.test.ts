import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import test from "ava";
import { allowing, attempt, blackhole, listen, type Attempt } from "../helpers/network.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";
import { extension, helloMessage, record, serverName, vector } from "../unit/egress/hello-bytes.js";

/** What a program cannot draw out, pile up or hide in a connection that it may make. */
const liveTest = requires(test, "userns", "program:python3");

const name = "allowed.test";
const keyShare = [
  extension(10, vector(2, [0, 29])),
  extension(13, vector(2, [4, 3, 8, 4])),
  extension(43, vector(1, [3, 4, 3, 3])),
  extension(51, vector(2, [0, 29], vector(2, Buffer.alloc(32, 9)))),
];

/** As text of one byte a character, as attempts.py takes it. */
function hello(host: string, ...more: readonly Buffer[]): string {
  const extensions = [serverName(host), ...keyShare, ...more];
  return record(helloMessage({ extensions, suites: vector(2, [0x13, 1]) })).toString("latin1");
}

/** encrypted_client_hello (RFC 9849): the outer form, with keys and a payload that nobody here can read. */
const ech = extension(
  0xfe0d,
  Buffer.concat([
    Buffer.from([0, 0, 1, 0, 1, 7]),
    vector(2, Buffer.alloc(32, 5)),
    vector(2, Buffer.alloc(160, 6)),
  ]),
);

liveTest.serial("no more than 1024 connections at once, and the next one is refused at once", async (t) => {
  const server = await listen(t, createServer());
  const { outcomes, of, result } = await attempt(
    t,
    scratch(t),
    [
      ["hold", name, server.port, 1030],
      ["pause", 0.3],
      ["talk", name, server.port, [], 0, 0.2],
    ],
    { network: allowing([name], [server.port]), policy: { resources: { openFiles: 4096 } } },
  );
  t.deepEqual(outcomes, [[1024, { ECONNREFUSED: 6 }], "OK", "SILENT"], "and free again when they are closed");
  t.is(result.network.connections, 1025);
  const denied = of("net.connect").filter(({ rule }) => rule === "limit: 1024 connections at once");
  t.is(denied.length, 6);
});

liveTest.serial("upstream never answers: ETIMEDOUT for a connect() that waits", async (t) => {
  const silent = await blackhole(t);
  const asked = await attempt(
    t,
    scratch(t),
    [
      ["lookup", "silent.test"],
      ["blocking", "55.98.0.1", silent],
    ],
    {
      network: { egress: [{ to: ["silent.test"] }, { to: ["127.0.0.1"] }] },
      timeouts: { dialMs: 700 },
    },
  );
  t.is(asked.outcomes[1], "ETIMEDOUT");
  t.true((asked.tookMs[1] ?? 0) >= 690 && (asked.tookMs[1] ?? Infinity) < 5000);
  t.like(asked.of("net.connect").at(-1), { name: "silent.test", verdict: "allow", errno: "ETIMEDOUT" });
});

liveTest.serial(
  "a hello or a head that is drawn out is cut off, and nothing of its end arrives",
  async (t) => {
    let heard = "";
    const server = await listen(
      t,
      createServer((socket) => socket.on("data", (data) => (heard += data.toString("latin1")))),
    );
    const bytes = Array.from(hello(name));
    const head = Array.from(`GET / HTTP/1.1\r\nHost: ${name}:${server.port}\r\nX: ${"y".repeat(60)}`);
    const slow = (chunks: readonly string[]): Attempt => ["talk", name, server.port, chunks, 0.02];
    const { outcomes, tookMs, of } = await attempt(t, scratch(t), [slow(bytes), slow(head)], {
      network: allowing([name], [server.port]),
      timeouts: { handshakeMs: 400 },
    });
    t.is(outcomes[0], "RESET");
    t.regex(String(outcomes[1]), /RESET|403 Forbidden/);
    for (const ms of tookMs) t.true(ms < 2500, `${ms} ms`);
    t.is(heard, "");
    t.deepEqual(
      [...of("net.tls"), ...of("net.http")].map(({ verdict, reason }) => [verdict, reason]),
      Array.from({ length: 2 }, () => ["deny", "begun and not completed in time"]),
    );
  },
);

liveTest.serial(
  "a hello that hides a name is judged by the one that it shows, and on record as such",
  async (t) => {
    let heard = 0;
    const server = await listen(
      t,
      createServer((socket) => {
        socket.on("data", (data) => (heard += data.length));
        // What comes after it would have come by then.
        socket.once("data", () => setTimeout(() => socket.end("seen"), 100));
      }),
    );
    const [shown, other] = [hello(name, ech), hello("elsewhere.test", ech)];
    const talk = (text: string): Attempt => ["talk", name, server.port, [text]];
    const { outcomes, of } = await attempt(t, scratch(t), [talk(shown), talk(other)], {
      network: allowing([name], [server.port]),
    });
    t.deepEqual(outcomes, ["seen", "RESET"]);
    t.is(heard, shown.length);
    t.deepEqual(
      of("net.tls").map((event) => [event["serverName"], event["encryptedClientHello"], event.verdict]),
      [
        [name, true, "allow"],
        ["elsewhere.test", true, "deny"],
      ],
    );
  },
);

liveTest.serial("a first line without end is refused at 16 KiB", async (t) => {
  let heard = 0;
  const server = await listen(
    t,
    createServer((socket) => socket.on("data", (data) => (heard += data.length))),
  );
  const line = `GET /${"a".repeat(20_000)}`;
  const { outcomes, of } = await attempt(t, scratch(t), [["talk", name, server.port, [line], 0.02, 1]], {
    network: allowing([name], [server.port]),
  });
  t.regex(String(outcomes[0]), /403 Forbidden[^]*a first line of more than 16 KiB|RESET/);
  t.is(heard, 0);
  t.like(of("net.http")[0], { verdict: "deny", reason: "a first line of more than 16 KiB" });
});

liveTest.serial("the events of a connection share a number, and say whose it was", async (t) => {
  const server = await listen(
    t,
    createHttpServer((_request, response) => response.end("hello")),
  );
  const request = `GET / HTTP/1.1\r\nHost: ${name}:${server.port}\r\nConnection: close\r\n\r\n`;
  const { of, events } = await attempt(
    t,
    scratch(t),
    [1, 2].map(() => ["talk", name, server.port, [request]]),
    { network: allowing([name], [server.port]) },
  );
  for (const connection of [1, 2]) {
    const own = events.filter((event) => event.connection === connection);
    t.deepEqual(
      own.map(({ type }) => type),
      ["net.connect", "net.http", "net.close"],
    );
    const [connect] = own;
    for (const event of own) t.like(event, { pid: connect?.pid ?? -1, exe: connect?.exe ?? "", name });
  }
  t.regex(of("net.close")[0]?.exe ?? "", /python/);
});

liveTest.serial(
  "a run's traffic over TCP is cut off at its cap, and its connections at theirs",
  async (t) => {
    // Asked first: cut off before it has looked at its connect(), a program would try the name's next address, which is refused.
    const server = await listen(
      t,
      createServer((socket) => socket.once("data", () => socket.end("x".repeat(50_000)))),
    );
    const talk: Attempt = ["talk", name, server.port, ["go\n"]];
    const network = allowing([name], [server.port]);
    const paid = await attempt(t, scratch(t), [talk, talk, talk, ["connect", name, server.port]], {
      network,
      policy: { resources: { traffic: "120kB" } },
    });
    const whole = "x".repeat(50_000);
    t.deepEqual(paid.outcomes.slice(0, 2), [whole, whole]);
    t.regex(String(paid.outcomes[2]), /^x*RESET$/);
    t.true(String(paid.outcomes[2]).length < 50_000);
    t.is(paid.outcomes[3], "ECONNREFUSED");
    t.true(paid.of("net.close").some(({ reason }) => reason === "byte-limit"));
    t.is(paid.of("resource.limit").length, 1);

    const counted = await attempt(t, scratch(t), [talk, talk, talk], {
      network,
      policy: { resources: { connections: 2 } },
    });
    t.deepEqual(counted.outcomes, [whole, whole, "ECONNREFUSED"]);
    t.is(counted.of("net.connect").at(-1)?.rule, "limit: resources.connections 2");
    t.true(
      counted.result.limits.some(
        ({ resource, requested }) => resource === "connections" && requested === "2",
      ),
    );
  },
);
