import dgram from "node:dgram";
import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { attempt } from "../helpers/network.js";
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
  "a name server that the policy names is asked itself; every other one is our resolver",
  async (t) => {
    const server = await udpServer(t, "127.0.0.77", () => "the server itself", 53);
    const rules = [{ to: ["ns.test", "127.0.0.77"], ports: ["53/udp"] }];
    const query = "000001000001000000000000046e616d650000010001";
    const { outcomes } = await attempt(
      t,
      scratch(t),
      [
        ["datagrams", "ns.test", 53, ["question"], "connected"],
        ["dns", "udp", "8.8.8.8", query],
        ["datagrams", "ns.test", 53, ["again"], "sendto"],
      ],
      { network: { egress: rules }, resolve: () => ["127.0.0.77"] },
    );
    t.deepEqual(outcomes, [["the server itself"], "3/0", ["the server itself"]]);
    t.deepEqual(server.heard, ["question", "again"]);
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
