import { spawnSync } from "node:child_process";
import { copyFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import test, { type ExecutionContext } from "ava";
import { allowing, attempt, blackhole, listen, runNetworked } from "../helpers/network.js";
import { requires } from "../helpers/requires.js";
import { fixture, scratch, type Scratch } from "../helpers/scratch.js";

/** Many connections, hard ones, and programs that rewrite, interrupt and die while theirs are judged. */
const liveTest = requires(test, "userns");
const compiledTest = requires(test, "userns", "program:gcc");
/** 10 000 where there is time: SKILLBOX_TEST_CONNECTIONS. */
const connections = Number(process.env["SKILLBOX_TEST_CONNECTIONS"] ?? 2000);

const echo = () => createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
const hello = () => createServer((socket) => socket.end("hello"));

liveTest.serial(`${connections} connections, 200 at a time: none lost, memory flat`, async (t) => {
  const box = scratch(t);
  copyFileSync(fixture("network/storm.mjs"), path.join(box.work, "storm.mjs"));
  const server = await listen(t, echo());
  const names = Array.from({ length: 7 }, (_, index) => `name${index}.allowed.test`);
  const storm = async (count: number) =>
    runNetworked(t, box, ["node", "storm.mjs", String(count), "200", String(server.port), ...names], {
      network: allowing(["*.allowed.test"], [server.port]),
    });
  // Of this process, the servers included. What stayed of each connection would show between the middle and the end.
  const residentBytes = new Map<number, number>();
  server.server.on("connection", () => residentBytes.set(server.count(), process.memoryUsage.rss()));
  const { stdout, stderr, of, result } = await storm(connections);
  const grownBytes = (residentBytes.get(connections) ?? Infinity) - (residentBytes.get(connections / 2) ?? 0);
  t.deepEqual(JSON.parse(stdout), { failed: {}, ms: Number(/"ms":(\d+)/.exec(stdout)?.[1]) }, stderr);
  t.is(result.network.connections, connections);
  t.is(of("net.close").filter(({ reason }) => reason === "ended").length, connections);
  t.true(grownBytes < 48 * 1024 ** 2, `${Math.round(grownBytes / 1024 ** 2)} MiB more`);
  t.log(
    `${Math.round(connections / (Number(/"ms":(\d+)/.exec(stdout)?.[1]) / 1000))} connections a second, ${Math.round(grownBytes / 1024 ** 2)} MiB more`,
  );
});

liveTest.serial("200 connections at once, each to another name", async (t) => {
  const box = scratch(t);
  copyFileSync(fixture("network/storm.mjs"), path.join(box.work, "storm.mjs"));
  const server = await listen(t, echo());
  const names = Array.from({ length: 200 }, (_, index) => `n${index}.allowed.test`);
  const { stdout, stderr } = await runNetworked(
    t,
    box,
    ["node", "storm.mjs", "200", "200", String(server.port), ...names],
    {
      network: allowing(["*.allowed.test"], [server.port]),
    },
  );
  t.regex(stdout, /^\{"failed":\{\},/, stderr);
  t.is(server.count(), 200);
});

compiledTest.serial("a second connect() as a question is no second connection", async (t) => {
  const { stdout, server } = await connects(t, scratch(t), ["again", "ADDRESS", "PORT"]);
  t.is(stdout, `OK\n${"EISCONN\n".repeat(4)}`);
  t.is(server.count(), 1);
});

for (const [restart, what] of [
  [1, "with SA_RESTART"],
  [0, "without SA_RESTART"],
] as const) {
  compiledTest.serial(`signals ${what} do not break connects that are held`, async (t) => {
    const { stdout, stderr, server, of } = await connects(t, scratch(t), [
      "interrupted",
      "ADDRESS",
      "PORT",
      "300",
      String(restart),
    ]);
    t.deepEqual(
      of("net.connect").filter(({ verdict }) => verdict === "deny"),
      [],
    );
    t.is(stdout, "0 failed, interrupted\n", stderr);
    t.is(server.count(), 300, "a connect that is asked again is not made again");
  });
}

compiledTest.serial("a program that dies in its connect costs the next one nothing", async (t) => {
  const { stdout } = await connects(t, scratch(t), ["killed", "ADDRESS", "PORT"]);
  t.is(stdout, "OK hello\n");
});

compiledTest.serial("threads connect while their process forks, and the children connect too", async (t) => {
  const { stdout, server } = await connects(t, scratch(t), ["forked", "ADDRESS", "PORT", "20"]);
  t.is(stdout, "0 failed\n");
  t.is(server.count(), 40);
});

compiledTest.serial(
  "an address rewritten while it is judged reaches nothing that is not allowed",
  async (t) => {
    const box = scratch(t);
    const forbidden = await listen(t, hello());
    const { stdout, events, stderr } = await connects(t, box, [
      "race",
      "ADDRESS",
      "PORT",
      "93.184.216.34",
      String(forbidden.port),
      "2",
    ]);
    t.is(stdout, "0 reached, both were tried\n", stderr);
    t.is(forbidden.count(), 0);
    t.true(events.some(({ type, verdict }) => type === "net.connect" && verdict === "deny"));
  },
);

requires(test, "userns", "program:python3").serial(
  "connections that upstream never answers are bounded, and the rest of the program goes on",
  async (t) => {
    const box = scratch(t);
    const { port } = await listen(t, hello());
    const silent = await blackhole(t);
    const { outcomes, tookMs, of, result } = await attempt(
      t,
      box,
      [
        ["hanging", "silent.test", silent, 10],
        ["talk", "allowed.test", port, []],
      ],
      { network: allowing(["*.test"], [port, silent]) },
    );
    t.deepEqual(outcomes, [[10, {}], "hello"]);
    t.true((tookMs[0] ?? Infinity) < 10 * 500, "none waits longer than the patience of an event loop");
    t.is(of("net.close").length, 11);
    t.is(result.exitCode, 0);
  },
);

/** Runs connects.c against a server that the policy allows; ADDRESS and PORT are that server's, as the program sees it. */
async function connects(t: ExecutionContext, box: Scratch, argv: readonly string[]) {
  const args = ["-O1", "-pthread", "-o", path.join(box.work, "connects"), fixture("network/connects.c")];
  const { status, stderr } = spawnSync("gcc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
  const server = await listen(t, hello());
  // The name has to be looked up before its address stands for it.
  const filled = argv.map((argument) =>
    argument === "ADDRESS" ? "55.98.0.1" : argument === "PORT" ? String(server.port) : argument,
  );
  const end = await runNetworked(
    t,
    box,
    ["sh", "-c", 'getent ahosts allowed.test >&2; exec ./connects "$@"', "sh", ...filled],
    {
      network: allowing(["allowed.test"], [server.port]),
    },
  );
  return { ...end, server };
}
