import dgram from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import test, { type ExecutionContext } from "ava";
import type { Denial } from "../../src/egress/ledger.js";
import { attempt, listen, type Attempt } from "../helpers/network.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/** UDP leaves for what a rule names, and comes back from there alone. */
const liveTest = requires(test, "userns", "program:python3");
/** Who may bind port 53. */
const rootTest = requires(test, "userns", "program:python3", "root");

/** Answers each datagram; what it heard, and from how many sockets. */
async function udpServer(
  t: ExecutionContext,
  host = "127.0.0.1",
  answer = (text: string) => `re: ${text}`,
  port = 0,
) {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  const heard: string[] = [];
  const sources = new Set<number>();
  socket.on("message", (data, peer) => {
    heard.push(String(data));
    sources.add(peer.port);
    socket.send(answer(String(data)), peer.port, peer.address);
  });
  socket.bind(port, host);
  await once(socket, "listening");
  t.teardown(() => socket.close());
  return { port: socket.address().port, heard, sources, socket };
}

for (const how of ["connected", "sendto", "sendmsg"] as const) {
  liveTest.serial(
    `a name over UDP, ${how}: answers from who was asked, in both families, one flow a socket`,
    async (t) => {
      const server = await udpServer(t);
      const long = "x".repeat(30_000);
      const { outcomes, of, result, resolved } = await attempt(
        t,
        scratch(t),
        [
          ["datagrams", "allowed.test", server.port, ["one", "two", long], how],
          ["datagrams", "3000:7362::1", server.port, ["six"], how],
        ],
        {
          network: {
            egress: [
              { to: ["allowed.test"], ports: [`${server.port}/udp`] },
              { to: ["127.0.0.1"], ports: [`${server.port}/udp`] },
            ],
          },
        },
      );
      t.deepEqual(outcomes, [["re: one", "re: two", `re: ${long}`], ["re: six"]]);
      t.deepEqual(server.heard, ["one", "two", long, "six"]);
      t.is(server.sources.size, 2);
      t.deepEqual(resolved, ["allowed.test", "allowed.test"]);
      t.like(result.network, { connections: 2, denied: 0, bytesOut: 30_009 });
      const closes = of("net.close");
      t.is(closes.length, 2);
      for (const close of closes)
        t.like(close, { name: "allowed.test", address: "127.0.0.1", port: server.port, protocol: "udp" });
      t.regex(closes[0]?.exe ?? "", /python/);
    },
  );
}

rootTest.serial(
  "a name server that the policy names is asked itself, over UDP and TCP; every other one is our resolver",
  async (t) => {
    const server = await udpServer(t, "127.0.0.77", () => "the server itself", 53);
    const overTcp = await listen(t, tcpNameServer(), { host: "127.0.0.77", port: 53 });
    const to = ["ns.test", "127.0.0.77"];
    const own = await ownAddress(t);
    const attempts: Attempt[] = [
      ["datagrams", "ns.test", 53, ["question"], "connected"],
      ["dns", "udp", "8.8.8.8", query, 3],
      ["datagrams", "ns.test", 53, ["again"], "sendto"],
      ["dns", "tcp", "55.98.0.1", query, 3],
      ["dns", "tcp", "8.8.8.8", query, 3],
      ["dns", "tcp", "3000:7362::1", query, 3],
      ...own.map(({ address }): Attempt => ["dns", "tcp", address, query, 3]),
    ];
    const named = await attempt(t, scratch(t), attempts, {
      network: { egress: [{ to: [...to, ...own.map(({ address }) => address)], ports: [53, "53/udp"] }] },
      resolve: () => ["127.0.0.77"],
    });
    const itself = "0/7";
    const resolver = "3/0";
    t.deepEqual(named.outcomes, [
      ["the server itself"],
      resolver,
      ["the server itself"],
      itself,
      resolver,
      itself,
      ...own.map(() => itself),
    ]);
    t.deepEqual(server.heard, ["question", "again"]);
    t.is(overTcp.count(), 2);
    t.like(
      named.of("net.connect").find(({ port, name }) => port === 53 && name === "ns.test"),
      {
        verdict: "allow",
        rule: "egress[0]",
      },
    );

    // Nobody is named by a rule for all else that is there.
    const around = await attempt(t, scratch(t), attempts, {
      network: { egress: [{ to: [...to, "0.0.0.0/0"] }, { to, ports: ["1-65535", "1-65535/udp"] }] },
      resolve: () => ["127.0.0.77"],
    });
    t.deepEqual(
      around.outcomes.filter((outcome) => typeof outcome === "string"),
      attempts
        .slice(3)
        .map(() => resolver)
        .concat(resolver),
    );
    t.deepEqual(server.heard, ["question", "again"]);
    t.is(overTcp.count(), 2);
  },
);

/** For a name that no rule allows. */
const query = "000001000001000000000000046e616d650000010001";

/** Answers any query with a reply that says it has seven answers: "0/7", as attempts.py tells it. */
function tcpNameServer() {
  return createServer((socket) => {
    socket.once("data", () => socket.end(Buffer.from("000c000081800001000700000000", "hex")));
  });
}

/** An address of the host's beside its loopback, which is the sandbox's own, and a name server there; none where it has none. */
async function ownAddress(t: ExecutionContext) {
  const [own] = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, family }) => !internal && family === "IPv4");
  if (own === undefined) return [];
  return [
    { address: own.address, server: await listen(t, tcpNameServer(), { host: own.address, port: 53 }) },
  ];
}

liveTest.serial(
  "a flow ends when it has been silent, and what is sent after that is judged anew",
  async (t) => {
    const server = await udpServer(t);
    const ports = [`${server.port}/udp`];
    const texts = ["one", "two"];
    const paced = (how: string, pause: number): Attempt => [
      "datagrams_paced",
      "allowed.test",
      server.port,
      texts,
      how,
      pause,
    ];
    const { outcomes, of } = await attempt(
      t,
      scratch(t),
      [paced("sendto", 0.1), paced("sendto", 3), paced("connected", 3)],
      {
        network: { egress: [{ to: ["allowed.test", "127.0.0.1"], ports }] },
        timeouts: { idleMs: 1000 },
      },
    );
    // The kernel answers for who is connected to an address that nobody has any more.
    t.deepEqual(outcomes, [
      ["re: one", "re: two"],
      ["re: one", "re: two"],
      ["re: one", "ECONNREFUSED"],
    ]);
    t.is(server.sources.size, 4, "the second socket's two datagrams came by two flows");
    t.deepEqual(
      of("net.close").map(({ reason }) => reason),
      Array.from({ length: 4 }, () => "idle"),
    );
  },
);

liveTest.serial(
  "no more than 256 addresses and ports over UDP at once; others are refused at once",
  async (t) => {
    const server = await udpServer(t);
    // Below those that the kernel gives to the program's own sockets at the same address.
    const first = 20_000;
    const denials: Denial[] = [];
    const { outcomes, of, result } = await attempt(
      t,
      scratch(t),
      [
        ["udp_connects", "allowed.test", first, 260],
        ["datagrams", "allowed.test", server.port, ["too early"], "sendto"],
        ["pause", 3.5],
        ["datagrams", "allowed.test", server.port, ["now"], "sendto"],
      ],
      {
        network: {
          egress: [
            {
              to: ["allowed.test", "127.0.0.1"],
              ports: [`${server.port}/udp`, `${first}-${first + 300}/udp`],
            },
          ],
        },
        timeouts: { idleMs: 1500 },
        policy: { resources: { openFiles: 1024 } },
        onDenial: (denial) => denials.push(denial),
      },
    );
    t.deepEqual(outcomes, [[256, { EPERM: 4 }], ["EPERM"], "OK", ["re: now"]]);
    const rule = "limit: 256 addresses and ports over UDP at once";
    t.is(of("net.connect").filter((event) => event.rule === rule && event.verdict === "deny").length, 4);
    t.like(of("net.send")[0], { verdict: "deny", rule, name: "allowed.test", errno: "EPERM" });
    t.like(denials[0], { type: "net.connect", name: "allowed.test", port: first + 256, rule });
    t.is(result.network.denied, 5);
    t.deepEqual(server.heard, ["now"]);
  },
);

liveTest.serial(
  "no more than 1024 UDP flows at once; what is sent by others is on record and gone",
  async (t) => {
    const server = await udpServer(t);
    const denials: Denial[] = [];
    const { outcomes, of, result } = await attempt(
      t,
      scratch(t),
      [
        ["udp_flows", "allowed.test", server.port, 1030],
        ["pause", 5],
        ["datagrams", "allowed.test", server.port, ["now"], "sendto"],
      ],
      {
        network: { egress: [{ to: ["allowed.test", "127.0.0.1"], ports: [`${server.port}/udp`] }] },
        timeouts: { idleMs: 4000 },
        policy: { resources: { openFiles: 4096 } },
        onDenial: (denial) => denials.push(denial),
      },
    );
    t.deepEqual(outcomes, [1024, "OK", ["re: now"]]);
    const rule = "limit: 1024 UDP flows at once";
    const denied = of("net.connect").filter(({ verdict }) => verdict === "deny");
    t.is(denied.length, 6);
    t.like(denied[0], { name: "allowed.test", address: "127.0.0.1", port: server.port, rule });
    t.like(denials[0], { type: "net.connect", rule });
    t.like(result.network, { connections: 1025, denied: 6 });
  },
);

liveTest.serial(
  "what no rule allows over UDP is refused at once and on record, also to a name that TCP may reach",
  async (t) => {
    const server = await udpServer(t);
    const { port } = server;
    const { outcomes, tookMs, of, result } = await attempt(
      t,
      scratch(t),
      [
        ["datagrams", "tcp.test", port, ["one"], "sendto"],
        ["datagrams", "tcp.test", port + 1, ["one"], "connected"],
        ["datagrams", "93.184.216.34", port, ["one"], "sendto"],
        ["udp", "93.184.216.34", port, true],
        ["datagrams", "udp.test", port + 1, ["one"], "sendmsg"],
        ["datagrams", "private.test", port, ["one"], "sendto"],
      ],
      {
        network: {
          egress: [
            { to: ["tcp.test"], ports: [port] },
            { to: ["udp.test", "private.test"], ports: [`${port}/udp`] },
          ],
        },
        resolve: (name) => (name === "private.test" ? ["10.0.0.1"] : ["93.184.216.34"]),
      },
    );
    t.deepEqual(outcomes, [["EPERM"], ["ECONNREFUSED"], ["EPERM"], "EPERM", ["EPERM"], ["EPERM"]]);
    for (const ms of tookMs) t.true(ms < 500);
    t.deepEqual(server.heard, []);
    t.is(result.network.denied, 5);
    const sends = of("net.send").filter(({ verdict }) => verdict === "deny");
    t.deepEqual(
      sends.map(({ name, rule }) => [name, rule]),
      [
        ["tcp.test", "default"],
        [undefined, "default"],
        ["udp.test", "default"],
        ["private.test", "special-address: private"],
      ],
    );
    t.regex(sends[0]?.hint ?? "", new RegExp(`to: \\["tcp\\.test"\\], ports: \\["${port}/udp"\\]`));
    t.like(
      of("net.connect").find(({ name, verdict }) => name === "tcp.test" && verdict === "expected-deny"),
      { port: port + 1, rule: "default" },
    );
  },
);

liveTest.serial(
  "a datagram from elsewhere does not come in, and a refusal outside is one inside",
  async (t) => {
    const server = await udpServer(t);
    const stranger = dgram.createSocket("udp4");
    t.teardown(() => stranger.close());
    server.socket.prependListener("message", (_data, { port }) => {
      stranger.send("from a stranger", port, "127.0.0.1");
    });
    const gone = dgram.createSocket("udp4").bind(0, "127.0.0.1");
    await once(gone, "listening");
    const closed = gone.address().port;
    gone.close();
    const ports = [`${server.port}/udp`, `${closed}/udp`];
    const { outcomes, of } = await attempt(
      t,
      scratch(t),
      [
        ["datagrams", "allowed.test", server.port, ["one", "two", "three"], "connected"],
        ["datagrams", "allowed.test", closed, ["one", "two", "three"], "connected", 0.3],
      ],
      {
        network: {
          egress: [
            { to: ["allowed.test"], ports },
            { to: ["127.0.0.1"], ports },
          ],
        },
      },
    );
    t.deepEqual(outcomes[0], ["re: one", "re: two", "re: three"]);
    // The first is on its way when the answer to it comes; what follows meets nobody.
    t.deepEqual(outcomes[1], ["SILENT", "ECONNREFUSED", "ECONNREFUSED"]);
    t.true(of("net.close").some(({ reason, port }) => reason === "ECONNREFUSED" && port === closed));
  },
);

liveTest.serial("the program's own UDP servers and ours do not meet", async (t) => {
  const server = await udpServer(t);
  const ports = [`${server.port}/udp`];
  const { outcomes } = await attempt(
    t,
    scratch(t),
    [
      ["datagrams", "allowed.test", server.port, ["one"], "connected"],
      ["bind_udp", "127.0.0.1", server.port],
      ["udp", "127.0.0.1", server.port, true],
    ],
    {
      network: {
        egress: [
          { to: ["allowed.test"], ports },
          { to: ["127.0.0.1"], ports },
        ],
      },
    },
  );
  t.deepEqual(outcomes, [["re: one"], "OK", "OK"]);
});

liveTest.serial(
  "connections and traffic of a run are capped as the policy says, over UDP and TCP",
  async (t) => {
    const server = await udpServer(t, "127.0.0.1", () => "y".repeat(100));
    const ports = [`${server.port}/udp`];
    const network = {
      egress: [
        { to: ["allowed.test"], ports },
        { to: ["127.0.0.1"], ports },
      ],
    };
    const counted = await attempt(
      t,
      scratch(t),
      [1, 2, 3].map((index) => ["datagrams", "allowed.test", server.port, [`n${index}`], "sendto", 0.3]),
      { network, policy: { resources: { connections: 2 } } },
    );
    t.deepEqual(counted.outcomes, [["y".repeat(100)], ["y".repeat(100)], ["SILENT"]]);
    t.deepEqual(server.heard, ["n1", "n2"]);
    t.like(counted.result.network, { connections: 2 });
    t.true(counted.of("resource.limit").some((event) => event["resource"] === "connections"));
    t.true(counted.of("net.connect").some(({ rule }) => rule === "limit: resources.connections 2"));

    const paid = await attempt(
      t,
      scratch(t),
      [["datagrams", "allowed.test", server.port, ["a", "b", "c", "d"], "connected", 0.3]],
      { network, policy: { resources: { traffic: "1kB" } } },
    );
    const full = "y".repeat(100);
    t.deepEqual(paid.outcomes, [[full, full, full, full]]);
    const over = await attempt(
      t,
      scratch(t),
      [["datagrams", "allowed.test", server.port, ["a".repeat(900), "b", "c"], "connected", 0.3]],
      { network, policy: { resources: { traffic: "1kB" } } },
    );
    t.deepEqual(over.outcomes, [[full, "SILENT", "ECONNREFUSED"]]);
    t.true(over.of("net.close").some(({ reason }) => reason === "byte-limit"));
  },
);
