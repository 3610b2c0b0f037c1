import { createServer } from "node:net";
import test from "ava";
import { allowing, attempt, closedPort, listen, listenOnBoth, type Attempt } from "../helpers/network.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/** What the world says of a connection is what the program hears; its own servers are its own. */
const liveTest = requires(test, "userns", "program:python3");
const [v4, v6] = [2, 10];

liveTest.serial("upstream refuses: ECONNREFUSED, blocking and not, over both families", async (t) => {
  const port = await closedPort();
  const { outcomes, tookMs, of, result } = await attempt(
    t,
    scratch(t),
    [
      ["blocking", "allowed.test", port],
      ["nonblocking", "allowed.test", port, v4],
      ["nonblocking", "allowed.test", port, v6],
      ["blocking", "55.98.0.1", port],
    ],
    { network: allowing(["allowed.test"], [port]), resolve: () => ["127.0.0.1", "::1"] },
  );
  t.deepEqual(
    outcomes,
    outcomes.map(() => "ECONNREFUSED"),
  );
  for (const ms of tookMs) t.true(ms < 5000);
  t.is(result.network.denied, 0, "the world refused, not the policy");
  const failed = of("net.connect").filter(({ name }) => name !== undefined);
  t.is(failed.length, 4);
  for (const event of failed)
    t.like(event, { verdict: "allow", rule: "egress[0]", errno: "ECONNREFUSED", port });
});

liveTest.serial(
  "upstream is not reachable: ENETUNREACH; a name without addresses: EHOSTUNREACH",
  async (t) => {
    const { outcomes } = await attempt(
      t,
      scratch(t),
      [
        ["connect", "broadcast.test", 80],
        ["nonblocking", "broadcast.test", 80, v4],
        ["connect", "nothing.test", 80],
        ["connect", "failing.test", 80],
        ["connect", "garbage.test", 80],
      ],
      {
        // TCP to a broadcast address is refused by the kernel itself, before any packet.
        network: { egress: [{ to: ["*.test"] }, { to: ["127.255.255.255"] }] },
        resolve: (name) => {
          if (name === "failing.test") throw new Error("the name server is on fire");
          return name === "broadcast.test" ? ["127.255.255.255"] : name === "garbage.test" ? ["garbage"] : [];
        },
      },
    );
    t.deepEqual(outcomes, ["ENETUNREACH", "ENETUNREACH", "EHOSTUNREACH", "EHOSTUNREACH", "ECONNREFUSED"]);
  },
);

liveTest.serial("one of two addresses answers: the program is connected", async (t) => {
  const box = scratch(t);
  const server = await listen(
    t,
    createServer((socket) => socket.end("hello")),
    { host: "::1" },
  );
  const { outcomes } = await attempt(t, box, [["talk", "allowed.test", server.port, []]], {
    network: allowing(["allowed.test"], [server.port]),
    resolve: () => ["127.0.0.1", "::1"],
  });
  t.deepEqual(outcomes, ["hello"]);
});

liveTest.serial("each side may close its half and go on with the other", async (t) => {
  const box = scratch(t);
  let afterEnd = "";
  const answering = await listen(
    t,
    createServer({ allowHalfOpen: true }, (socket) => {
      let heard = "";
      socket.on("data", (chunk) => (heard += String(chunk))).on("end", () => socket.end(`heard ${heard}`));
    }),
  );
  const closing = await listen(
    t,
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.end("first");
      socket.on("data", (chunk) => (afterEnd += String(chunk)));
    }),
  );
  const text = `\0${"x".repeat(299_999)}`;
  const end = await attempt(
    t,
    box,
    [
      ["half_close", "allowed.test", answering.port, text],
      ["read_half", "allowed.test", closing.port, text],
    ],
    { network: allowing(["allowed.test"], [answering.port, closing.port]) },
  );
  const { outcomes, of, result } = end;
  t.true(outcomes[0] === `heard ${text}`);
  t.is(outcomes[1], "first");
  t.true(afterEnd === text);
  t.deepEqual(
    of("net.close").map(({ reason }) => reason),
    ["ended", "ended"],
  );
  t.like(result.network, { connections: 2, denied: 0, bytesIn: 300_011, bytesOut: 600_000 });
});

liveTest.serial("a reset by upstream is a reset for the program", async (t) => {
  const server = await listen(
    t,
    createServer((socket) => {
      socket.write("part");
      setTimeout(() => socket.resetAndDestroy(), 50);
    }),
  );
  const { outcomes } = await attempt(t, scratch(t), [["talk", "allowed.test", server.port, []]], {
    network: allowing(["allowed.test"], [server.port]),
  });
  t.deepEqual(outcomes, ["partRESET"]);
});

liveTest.serial(
  "a listener is there again after it was idle, and for another port of the same name",
  async (t) => {
    const create = () => createServer((socket) => socket.end("hello"));
    const first = await listenOnBoth(t, create);
    const second = await listen(t, create());
    const talk = (port: number): Attempt => ["talk", "allowed.test", port, []];
    const { outcomes } = await attempt(
      t,
      scratch(t),
      [
        talk(first.port),
        talk(second.port),
        ["pause", 2.3],
        talk(first.port),
        ["pause", 0.5],
        talk(first.port),
      ],
      { network: allowing(["allowed.test"], [first.port, second.port]) },
    );
    t.deepEqual(outcomes, ["hello", "hello", "OK", "hello", "OK", "hello"]);
  },
);

liveTest.serial("servers of the program's own, on any address and port, are its own", async (t) => {
  const ports = [0, 8080, 1024];
  const pairs = [
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "::1"],
    ["0.0.0.0", "127.0.0.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["0.0.0.0", "127.3.2.1"],
    ["::", "::1"],
    ["::", "127.0.0.1"],
    ["::", "::"],
  ] as const;
  const attempts = ports.flatMap((port) => pairs.map(([on, to]): Attempt => ["own_server", on, to, port]));
  const { outcomes, result } = await attempt(t, scratch(t), attempts, {
    network: allowing(["allowed.test"], [8080]),
  });
  t.deepEqual(
    outcomes,
    attempts.map(() => "own"),
  );
  t.like(result.network, { connections: 0, denied: 0 });
});

liveTest.serial(
  "the program's own server at an exact address, or after a connection, is in nobody's way",
  async (t) => {
    const server = await listen(
      t,
      createServer((socket) => socket.end("outside")),
    );
    const { outcomes } = await attempt(
      t,
      scratch(t),
      [
        ["behind_own_wildcard", "127.0.0.1", "allowed.test", server.port],
        ["own_server", "127.0.0.1", "127.0.0.1", server.port],
        // As servers do, with SO_REUSEADDR: the connection before may linger.
        ["bind", "0.0.0.0", server.port, true],
        ["bind", "::", server.port, true],
      ],
      { network: allowing(["allowed.test"], [server.port]) },
    );
    t.deepEqual(outcomes, ["outside, and its own", "own", "OK", "OK"]);
  },
);

liveTest.serial(
  "a program that listens on a port at every address reaches others on that port, and itself",
  async (t) => {
    const server = await listen(
      t,
      createServer((socket) => socket.end("outside")),
    );
    const { outcomes, of } = await attempt(
      t,
      scratch(t),
      [
        ["behind_own_wildcard", "::", "allowed.test", server.port],
        ["behind_own_wildcard", "0.0.0.0", "allowed.test", server.port],
        // At every address it may listen again at once, though connections to others on the port have just been.
        ["bind", "0.0.0.0", server.port, true],
        ["talk", "allowed.test", server.port, []],
        ["behind_own_wildcard", "0.0.0.0", "denied.test", server.port],
      ],
      { network: allowing(["allowed.test"], [server.port]) },
    );
    const both = "outside, and its own";
    t.deepEqual(outcomes, [both, both, "OK", "outside", "EAI -2"]);
    t.deepEqual(
      of("net.close").map(({ reason }) => reason),
      Array.from({ length: 3 }, () => "ended"),
    );
    t.is(server.count(), 3);
    // A server that does not share its port with connections which linger.
    const unshared = await attempt(
      t,
      scratch(t),
      [["behind_own_wildcard", "0.0.0.0", "allowed.test", server.port, false]],
      { network: allowing(["allowed.test"], [server.port]) },
    );
    t.deepEqual(unshared.outcomes, [both]);
  },
);

liveTest.serial(
  "what a program sends before it ends arrives, and its connections are on record",
  async (t) => {
    let heard = 0;
    const server = await listen(
      t,
      createServer({ allowHalfOpen: true }, (socket) => {
        // Reads late, so that most of it is on its way when the program is gone; never ends its own side.
        setTimeout(() => socket.on("data", (chunk: Buffer) => (heard += chunk.length)), 100);
      }),
    );
    const { outcomes, of, result, events } = await attempt(
      t,
      scratch(t),
      [["send_and_leave", "allowed.test", server.port, 2_000_000]],
      { network: allowing(["allowed.test"], [server.port]) },
    );
    t.deepEqual(outcomes, ["OK"]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.is(heard, 2_000_000);
    t.is(of("net.close").length, 1);
    t.is(result.network.bytesOut, 2_000_000);
    t.is(events.at(-1)?.type, "run.end");
  },
);
