import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import test from "ava";
import { allowing, attempt, closedPort, listen, type Attempt } from "../helpers/network.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/** Addresses and kinds of sockets that a program tries instead of names: all judged, all on record. */
const liveTest = requires(test, "userns", "program:python3");
const wildcard = { egress: [{ to: ["**"] }, { to: ["0.0.0.0/0", "::/0"] }] };

const special = [
  "169.254.169.254",
  "169.254.170.2",
  "100.100.100.200",
  "168.63.129.16",
  "192.0.0.192",
  "fd00:ec2::254",
  "10.0.0.1",
  "10.0.2.15",
  "172.16.0.1",
  "192.168.1.1",
  "100.64.0.1",
  "fd12:3456::1",
  "fe80::1",
  "224.0.0.1",
  "255.255.255.255",
  "240.0.0.1",
  "198.18.0.1",
  "192.0.2.1",
  "64:ff9b::7f00:1",
  "64:ff9b::a9fe:a9fe",
  "2002:7f00:1::",
  "2002:a9fe:a9fe::1",
  "::ffff:169.254.169.254",
  "::ffff:0:169.254.169.254",
  "::169.254.169.254",
  "fec0::1",
  "ff02::1",
];

liveTest.serial(
  "special addresses are refused at once and on record, whatever wildcard allows the rest",
  async (t) => {
    const box = scratch(t);
    const own = Object.values(networkInterfaces()).flatMap((addresses) =>
      (addresses ?? [])
        .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
        .map(({ address }) => address),
    );
    const addresses = [...special, ...own];
    const { outcomes, tookMs, of } = await attempt(
      t,
      box,
      addresses.map((address) => ["blocking", address, 80]),
      { network: wildcard },
    );
    const denials = of("net.connect");
    for (const [index, address] of addresses.entries()) {
      t.true(
        ["ECONNREFUSED", "EACCES", "EINVAL"].includes(String(outcomes[index])),
        `${address}: ${String(outcomes[index])}`,
      );
      t.true((tookMs[index] ?? Infinity) < 1000, address);
    }
    t.is(denials.length, addresses.length);
    for (const denial of denials) {
      t.is(denial.verdict, "deny", JSON.stringify(denial));
      t.regex(denial.rule ?? "", /^special-address: /);
      t.truthy(denial.pid);
      t.regex(denial.exe ?? "", /python/);
    }
  },
);

liveTest.serial("metadata services are nothing that a hint talks anybody into", async (t) => {
  const { of } = await attempt(t, scratch(t), [["blocking", "169.254.169.254", 80]], { network: wildcard });
  t.is(of("net.connect")[0]?.hint, undefined);
});

liveTest.serial(
  "the host's loopback is not reached by any spelling; 127.0.0.1 and ::1 are the program's own",
  async (t) => {
    const box = scratch(t);
    const server = await listen(t, createServer());
    const spellings = [
      "127.0.0.1",
      "127.1",
      "2130706433",
      "0x7f.1",
      "0177.0.0.1",
      "0.0.0.0",
      "127.8.8.8",
      "::1",
      "::",
      "::ffff:127.0.0.1",
      "::ffff:7f00:1",
      "64:ff9b::7f00:1",
      "2002:7f00:1::",
      "::127.0.0.1",
    ];
    const attempts = spellings.map((host): Attempt => ["blocking", host, server.port]);
    const { outcomes } = await attempt(t, box, attempts, { network: wildcard });
    for (const [index, outcome] of outcomes.entries()) t.is(outcome, "ECONNREFUSED", spellings[index]);
    t.is(server.count(), 0);
  },
);

liveTest.serial(
  "a literal address needs a rule for the address: what a name resolves to does not count",
  async (t) => {
    const box = scratch(t);
    const server = await listen(t, createServer());
    const { outcomes, of, resolved } = await attempt(
      t,
      box,
      [
        ["blocking", "93.184.216.34", 443],
        ["blocking", "2606:2800::1", 443],
        // Addresses of the block from which names get theirs, none given out yet.
        ["blocking", "55.98.0.1", server.port],
        ["blocking", "3000:7362::1", server.port],
        ["mapped", "93.184.216.34", 443],
        ["not_a_socket", -1, "93.184.216.34", 443],
        ["not_a_socket", 0, "93.184.216.34", 443],
      ],
      { network: allowing(["allowed.test"], [server.port]) },
    );
    t.deepEqual(outcomes, [...Array<string>(5).fill("ECONNREFUSED"), "EBADF", "ENOTSOCK"]);
    t.is(of("net.connect").filter(({ verdict }) => verdict === "deny").length, 5);
    t.like(of("net.connect")[0], {
      verdict: "deny",
      rule: "default",
      errno: "ECONNREFUSED",
      hint: 'network.egress: [{ to: ["93.184.216.34"], ports: [443] }]',
    });
    t.deepEqual(resolved, []);
  },
);

liveTest.serial(
  "a name that resolves to a special address is refused, also when only its second answer does (rebinding)",
  async (t) => {
    const box = scratch(t);
    const server = await listen(
      t,
      createServer((socket) => socket.end("hello")),
    );
    const answers = new Map<string, readonly string[]>([
      ["private.test", ["10.0.0.7"]],
      ["metadata.test", ["169.254.169.254", "fd00:ec2::254"]],
      ["loopback.test", ["127.0.0.1"]],
      ["mapped.test", ["::ffff:127.0.0.1"]],
      ["nat64.test", ["64:ff9b::7f00:1"]],
      ["nothing.test", []],
    ]);
    const names = [...answers.keys()];
    const { outcomes, of } = await attempt(
      t,
      box,
      names.map((name): Attempt => ["connect", name, server.port]),
      { network: { egress: [{ to: ["*.test"] }] }, resolve: (name) => answers.get(name) ?? [] },
    );
    t.deepEqual(outcomes, [
      "ECONNREFUSED",
      "ECONNREFUSED",
      "ECONNREFUSED",
      "ECONNREFUSED",
      "ECONNREFUSED",
      "EHOSTUNREACH",
    ]);
    t.is(server.count(), 0);
    t.deepEqual(
      of("net.connect")
        .filter(({ name }) => name !== undefined)
        .map(({ name, verdict }) => [name, verdict]),
      names.map((name) => [name, name === "nothing.test" ? "allow" : "deny"]),
    );
    // It changes its mind between two connections: each is judged, and what was judged is what is dialled.
    let asked = 0;
    const rebound = await attempt(
      t,
      box,
      [
        ["talk", "flips.test", server.port, []],
        ["talk", "flips.test", server.port, []],
        ["talk", "both.test", server.port, []],
      ],
      {
        network: { egress: [{ to: ["*.test"] }, { to: ["127.0.0.1"] }] },
        resolve: (name) =>
          name === "both.test" ? ["10.0.0.7", "127.0.0.1"] : asked++ === 0 ? ["127.0.0.1"] : ["10.0.0.7"],
      },
    );
    t.deepEqual(rebound.outcomes, ["hello", "ECONNREFUSED", "hello"]);
    t.is(server.count(), 2);
  },
);

liveTest.serial(
  "UDP and QUIC are refused on record, connected or not; sorting addresses makes no noise",
  async (t) => {
    const box = scratch(t);
    const { outcomes, of } = await attempt(
      t,
      box,
      [
        ["udp", "93.184.216.34", 443, true],
        ["udp", "93.184.216.34", 443, false],
        ["udp", "2606:2800::1", 123, false],
        ["sendmsg_udp", "93.184.216.34", 443],
        ["sendmmsg_udp", "93.184.216.34", 443],
      ],
      { network: wildcard },
    );
    t.deepEqual(outcomes.slice(0, 4), ["EPERM", "EPERM", "EPERM", "EPERM"]);
    t.true(outcomes[4] === "EPERM" || outcomes[4] === "sent 1", String(outcomes[4]));
    const denied = [...of("net.connect"), ...of("net.send")].filter(({ verdict }) => verdict === "deny");
    t.true(denied.length >= 4, JSON.stringify(denied));
    const sorted = await attempt(t, box, [["lookup", "allowed.test"]], {
      network: allowing(["allowed.test"], [80]),
    });
    t.deepEqual(sorted.outcomes, [["3000:7362::1", "55.98.0.1"]]);
    t.is(sorted.result.network.denied, 0);
    t.deepEqual(
      sorted.events.filter(({ verdict, type }) => verdict === "deny" && type.startsWith("net.")),
      [],
    );
  },
);

liveTest.serial("sockets of other kinds do not come to be", async (t) => {
  const [unix, inet, inet6, netlink] = [1, 2, 10, 16];
  const kinds: readonly (readonly [string, number, number, number])[] = [
    ["AF_PACKET", 17, 3, 0x300],
    ["AF_PACKET, datagrams", 17, 2, 0x300],
    ["SOCK_PACKET", inet, 10, 0x300],
    ["raw ICMP", inet, 3, 1],
    ["raw IPv6 ICMP", inet6, 3, 58],
    ["ping", inet, 2, 1],
    ["raw IP", inet, 3, 255],
    ["vsock", 40, 1, 0],
    ["AF_XDP", 44, 3, 0],
    ["AF_ALG", 38, 5, 0],
    ["AF_TIPC", 30, 1, 0],
    ["AF_RDS", 21, 5, 0],
    ["AF_SMC", 43, 1, 0],
    ["AF_CAN", 29, 3, 1],
    ["AF_BLUETOOTH", 31, 3, 1],
    ["MPTCP", inet, 1, 262],
    ["SCTP", inet, 1, 132],
    ["SCTP, packets", inet6, 5, 132],
    ["DCCP", inet, 6, 33],
    ["UDP-Lite", inet, 2, 136],
    ["netfilter", netlink, 3, 12],
    ["audit", netlink, 3, 9],
    ["uevents", netlink, 3, 15],
  ];
  const { outcomes, events } = await attempt(
    t,
    scratch(t),
    [
      ...kinds.map(([, ...numbers]): Attempt => ["open_socket", ...numbers]),
      ["open_socket", unix, 1, 0],
      ["open_socket", inet, 1, 6],
      ["open_socket", inet6, 2, 17],
    ],
    { network: wildcard },
  );
  for (const [index, [kind]] of kinds.entries()) {
    t.true(
      ["EPERM", "EAFNOSUPPORT", "EPROTONOSUPPORT"].includes(String(outcomes[index])),
      `${kind}: ${String(outcomes[index])}`,
    );
  }
  t.deepEqual(outcomes.slice(kinds.length), ["OK", "OK", "OK"]);
  t.is(
    events.filter(({ type, verdict }) => type === "net.socket" && verdict === "deny").length,
    kinds.length,
  );
});

liveTest.serial("TCP fast open connects nowhere without a judgement", async (t) => {
  const box = scratch(t);
  const server = await listen(t, createServer());
  const { outcomes } = await attempt(
    t,
    box,
    [
      ["fast_open", "93.184.216.34", 443, "sendto"],
      ["fast_open", "93.184.216.34", 443, "sendmsg"],
      ["fast_open", "93.184.216.34", 443, "connect"],
      ["fast_open", "allowed.test", server.port, "connect"],
    ],
    { network: allowing(["allowed.test"], [server.port]) },
  );
  t.deepEqual(outcomes.slice(0, 3), ["ENOTSUP", "ENOTSUP", "ENOTSUP"]);
  t.is(outcomes[3], "ENOTSUP", "off in the namespace, so that programs go on without it");
  t.is(server.count(), 0);
});

liveTest.serial("Unix sockets of the host are not there: paths, and the abstract namespace", async (t) => {
  const box = scratch(t);
  const abstract = `skillbox-test-${process.pid}`;
  const outside = await listenAt(`\0${abstract}`);
  const pathServer = await listenAt(box.at("work/socket"));
  t.teardown(() => {
    outside.close();
    pathServer.close();
  });
  const { outcomes } = await attempt(
    t,
    box,
    [
      ["unix", `@${abstract}`],
      ["unix", box.at("work/socket")],
      ["unix", "/run/docker.sock"],
      ["unix", "/run/dbus/system_bus_socket"],
      ["unix", "@/tmp/.X11-unix/X0"],
    ],
    { network: wildcard },
  );
  t.is(outcomes[0], "ECONNREFUSED");
  t.true(["ECONNREFUSED", "ENOENT", "EACCES", "EPERM"].includes(String(outcomes[1])), String(outcomes[1]));
  t.deepEqual(outcomes.slice(2), ["ENOENT", "ENOENT", "ECONNREFUSED"]);
});

async function listenAt(path: string): Promise<Server> {
  const server = createServer((socket) => socket.end("of the host"));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return server;
}

liveTest.serial("the network namespace stays as it is, and what is not allowed stays so", async (t) => {
  const box = scratch(t);
  const server = await listen(
    t,
    createServer((socket) => socket.end("hello")),
  );
  const port = await closedPort();
  const { outcomes } = await attempt(
    t,
    box,
    [
      ["lo_down"],
      ["route"],
      ["flags_of_lo"],
      ["sysctl", "net/ipv4/tcp_fastopen", "3"],
      ["sysctl", "net/ipv4/ip_unprivileged_port_start", "0"],
      ["setns", "/proc/self/ns/net"],
      ["setns", "/proc/1/ns/net"],
      ["bind", "0.0.0.0", 53, false],
      ["bind", "127.0.0.1", 53, true],
      ["bind", "0.0.0.0", 53, true],
      ["bind", "::", 53, true],
      ["bind_udp", "0.0.0.0", 53],
      ["bind_udp", "127.0.0.1", 53],
      ["blocking", "93.184.216.34", port],
      ["talk", "allowed.test", server.port, []],
      ["connect", "denied.test", server.port],
    ],
    { network: allowing(["allowed.test"], [server.port]) },
  );
  t.deepEqual(outcomes.slice(0, 3), ["EPERM", "EPERM", "EPERM"]);
  for (const outcome of outcomes.slice(3, 5))
    t.true(["EROFS", "EACCES", "EPERM", "ENOENT"].includes(String(outcome)), String(outcome));
  t.is(outcomes[5], "EPERM");
  t.true(["EPERM", "EACCES", "ENOENT"].includes(String(outcomes[6])), String(outcomes[6]));
  t.deepEqual(
    outcomes.slice(7, 13),
    outcomes.slice(7, 13).map(() => "EACCES"),
  );
  t.is(outcomes[13], "ECONNREFUSED");
  t.is(outcomes[14], "hello");
  t.regex(String(outcomes[15]), /^EAI -2$/);
});
