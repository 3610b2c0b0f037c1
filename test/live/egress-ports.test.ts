import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import net, { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { isErrno } from "../../src/plan/grants.js";
import { exec } from "../helpers/exec.js";
import { allowing, attempt, closedPort, listen, runNetworked, type Attempt } from "../helpers/network.js";
import { requires } from "../helpers/requires.js";
import { scratch } from "../helpers/scratch.js";

/** Single ways between host and sandbox that a policy opens by name: published ports, Unix sockets, and proxies. */
const liveTest = requires(test, "userns", "program:python3");
const curlTest = requires(test, "userns", "program:curl");

liveTest.serial(
  "a published port leads into the sandbox, over either family, and to nothing else there",
  async (t) => {
    const [v4, v6, other] = [await closedPort(), await closedPort(), await closedPort()];
    const attempts: Attempt[] = [
      ["serve_once", "127.0.0.1", 3000, "four"],
      ["serve_once", "::1", 3000, "six"],
    ];
    const running = attempt(t, scratch(t), attempts, {
      network: {
        egress: [],
        publish: [`${v4}:127.0.0.1:3000`, `${v6}:[::1]:3000`, `${other}:127.0.0.1:3001`],
      },
    });
    const long = "x".repeat(300_000);
    t.is(await Promise.race([ask(v4, long), running]), "four");
    t.is(await Promise.race([ask(v6, "hello"), running]), "six");
    const { outcomes, of, result } = await running;
    t.deepEqual(outcomes, [long, "hello"]);
    const opened = of("net.connect").filter(({ rule }) => rule === "publish");
    t.deepEqual(
      opened.map(({ address, port, verdict }) => [address, port, verdict]),
      [
        ["127.0.0.1", 3000, "allow"],
        ["::1", 3000, "allow"],
      ],
    );
    t.like(result.network, { connections: 2, bytesIn: 300_005, bytesOut: 7 });
    for (const port of [v4, v6, other]) t.is(await connectOnce(port), "ECONNREFUSED", "gone with the run");
  },
);

liveTest.serial("who asks a published port before the program listens there is reset", async (t) => {
  const port = await closedPort();
  const running = attempt(t, scratch(t), [["pause", 1]], {
    network: { egress: [], publish: [`${port}:127.0.0.1:3000`] },
  });
  await untilListening(port);
  await t.throwsAsync(askNow(port, "hello"), { code: "ECONNRESET" });
  const { result } = await running;
  t.is(result.network.connections, 0);
});

liveTest.serial(
  "a published port that is taken on the host is an error that says so, before anything runs",
  async (t) => {
    const box = scratch(t);
    const { port } = await listen(t, createServer());
    const policy = `version: 1\nnetwork:\n  publish: ["${port}:127.0.0.1:3000"]\n`;
    const { status, stderr, stdout } = await exec(box, ["echo", "ran"], { policy });
    t.is(status, 125);
    t.is(stdout, "");
    t.regex(stderr, /policy-\d+\.yaml:3:13: network\.publish: port \d+ of 127\.0\.0\.1: .*EADDRINUSE/);
    t.regex(stderr, /hint: .*another port/);
  },
);

liveTest.serial("a Unix socket of the host is reached by name of the policy alone", async (t) => {
  const box = scratch(t);
  const serve = async (path: string, answer: string) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume().on("end", () => socket.end(answer));
    }).listen(path);
    await once(server, "listening");
    t.teardown(() => server.close());
  };
  const directory = box.directory("work/sockets");
  await serve(`${directory}/granted`, "granted");
  await serve(`${directory}/other`, "other");
  const elsewhere = box.directory("elsewhere");
  await serve(`${elsewhere}/granted`, "alone");
  await serve(`${elsewhere}/other`, "other");
  const { outcomes, result } = await attempt(
    t,
    box,
    [
      ["unix_talk", `${directory}/granted`, "hello"],
      ["unix_talk", `${elsewhere}/granted`, "hello"],
      ["unix_talk", `${directory}/other`, "hello"],
      ["unix_talk", `${elsewhere}/other`, "hello"],
      ["connect", "192.0.2.1", 80],
    ],
    {
      network: { egress: [], unixSockets: [`${directory}/granted`, `${elsewhere}/granted`] },
      // What lies in a read grant is an inode of its own there; only the socket that is named is the host's.
      policy: { filesystem: { read: [directory] } },
    },
  );
  t.deepEqual(outcomes, ["granted", "alone", "ECONNREFUSED", "ENOENT", "ENETUNREACH"]);
  t.is(result.network.connections, 0);
});

liveTest.serial("what is no socket cannot be granted as one", async (t) => {
  const box = scratch(t);
  const file = box.file("work/file", "");
  const policy = `version: 1\nnetwork:\n  unixSockets: ["${file}"]\n`;
  const { status, stderr } = await exec(box, ["true"], { policy });
  t.is(status, 125);
  t.regex(stderr, /policy-\d+\.yaml:3:17: network\.unixSockets: .* is not a Unix socket/);
});

curlTest.serial("a program that insists on a proxy finds one, and the same rules", async (t) => {
  const box = scratch(t);
  const { port, count } = await listen(
    t,
    createHttpServer((_request, response) => response.end("from outside")),
  );
  const proxies = ["http", "socks5h", "socks5"] as const;
  const fetches = proxies.flatMap((scheme) => [
    `curl -sS -o /dev/null -w '${scheme} %{http_code}\\n' -x ${scheme}://127.0.0.1:3128 http://allowed.test:${port}/`,
    `curl -sS -o /dev/null -w '${scheme} denied %{http_code}\\n' -x ${scheme}://127.0.0.1:3128 http://denied.test:${port}/`,
  ]);
  const script = [
    "echo $HTTP_PROXY $https_proxy $NO_PROXY",
    `curl -sS -w ' %{http_connect}\\n' --proxytunnel http://allowed.test:${port}/`,
    `curl -sS -o /dev/null -w '%{http_connect}\\n' --proxytunnel http://denied.test:${port}/`,
    ...fetches,
    // An address that no rule names, which the host's loopback would answer on.
    `curl -sS -o /dev/null -w 'other port %{http_connect}\\n' --proxytunnel http://127.0.0.1.allowed.test:22/`,
    `curl -sS -o /dev/null -w 'private %{http_connect}\\n' --proxytunnel http://private.test:${port}/`,
  ].join("\n");
  const end = await runNetworked(t, box, ["sh", "-c", script], {
    network: { ...allowing(["allowed.test", "private.test"], [port]), proxyPort: 3128 },
    resolve: (name) => (name === "private.test" ? ["10.1.2.3"] : ["127.0.0.1"]),
  });
  const proxy = "http://127.0.0.1:3128";
  t.is(
    end.stdout,
    [
      `${proxy} ${proxy} localhost,127.0.0.1,::1`,
      "from outside 200",
      "403",
      "http 200",
      "http denied 403",
      "socks5h 200",
      "socks5h denied 000",
      // curl resolves by itself here, and asks the proxy for an address of ours that stands for the name.
      "socks5 200",
      "socks5 denied 000",
      "other port 403",
      "private 403",
      "",
    ].join("\n"),
    end.stderr,
  );
  t.is(count(), 4);
  const allowed = end.of("net.connect").filter(({ verdict }) => verdict === "allow");
  t.deepEqual(
    allowed.map(({ name, address }) => [name, address]),
    Array.from({ length: 4 }, () => ["allowed.test", "127.0.0.1"]),
  );
  const denied = end.of("net.connect").filter(({ verdict }) => verdict === "deny");
  t.true(denied.some(({ rule }) => rule === "special-address: private"));
  t.true(denied.some(({ name, hint }) => name === "denied.test" && hint?.includes(String(port)) === true));
});

liveTest.serial("names asked of the proxy count below a wildcard like those asked of DNS", async (t) => {
  const box = scratch(t);
  const { port } = await listen(
    t,
    createServer((socket) => socket.end("hello")),
  );
  const connects = Array.from({ length: 205 }, (_, index): Attempt => [
    "talk",
    "127.0.0.1",
    3128,
    [`CONNECT n${index}.allowed.test:${port} HTTP/1.1\r\nHost: n${index}.allowed.test:${port}\r\n\r\n`],
    0,
  ]);
  const { outcomes, of } = await attempt(t, box, connects, {
    network: { ...allowing(["*.allowed.test"], [port]), proxyPort: 3128 },
  });
  const ok = outcomes.filter((outcome) => String(outcome).startsWith("HTTP/1.1 200"));
  t.is(ok.length, 200);
  t.regex(String(outcomes.at(-1)), /^HTTP\/1\.1 403/);
  t.true(of("net.connect").some(({ rule }) => rule === "limit: names under *.allowed.test"));
});

liveTest.serial("no proxy is served, and no variable set, unless the policy says so", async (t) => {
  const { outcomes } = await attempt(
    t,
    scratch(t),
    [
      ["variables", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "NO_PROXY"],
      ["connect", "127.0.0.1", 3128],
    ],
    { network: allowing(["allowed.test"], [80]), caller: { HTTPS_PROXY: "http://127.0.0.1:1" } },
  );
  t.deepEqual(outcomes, [[null, null, null, null], "ECONNREFUSED"]);
});

liveTest.serial("--explain says on stderr what was refused, once, and the rule that allows it", async (t) => {
  const box = scratch(t);
  const script = [
    "import socket",
    "for host in ['denied.test', 'denied.test', '10.1.2.3']:",
    "    try: socket.create_connection((host, 443), 1)",
    "    except OSError: pass",
  ].join("\n");
  const options = ["--allow", "allowed.test"];
  const { stderr } = await exec(box, ["python3", "-c", script], { options: [...options, "--explain"] });
  t.deepEqual(stderr.trimEnd().split("\n"), [
    'skillbox: denied: the name denied.test (no rule allows it); to allow it: network.egress: [{ to: ["denied.test"], ports: [443] }]',
    'skillbox: denied: 10.1.2.3 port 443 (special-address: private); to allow it: network.egress: [{ to: ["10.1.2.3"], ports: [443] }]',
  ]);
  t.is((await exec(box, ["python3", "-c", script], { options })).stderr, "");
});

/** A proxy of the operator's: CONNECT, everywhere to one port, and what it was asked for. */
async function corporateProxy(t: Parameters<typeof listen>[0], target: number) {
  const asked: string[] = [];
  const proxy = createHttpServer().on("connect", ({ url = "", headers }, socket) => {
    asked.push(`${url} ${headers["proxy-authorization"] ?? "-"}`);
    if (url.startsWith("down.test")) {
      socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n");
      return;
    }
    const outside = net.connect(target, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      socket.pipe(outside).pipe(socket);
    });
    outside.on("error", () => socket.destroy());
    socket.on("error", () => outside.destroy());
  });
  const { port } = await listen(t, proxy);
  return { port, asked };
}

liveTest.serial(
  "an upstream proxy is the way out where the policy names it: by name, past it for what it excepts",
  async (t) => {
    const outside = await listen(
      t,
      createServer((socket) => socket.end("through")),
    );
    const direct = await listen(
      t,
      createServer((socket) => socket.end("direct")),
    );
    const { port, asked } = await corporateProxy(t, outside.port);
    const names = ["allowed.test", "down.test", "inner.corp.test"];
    const end = await attempt(
      t,
      scratch(t),
      [
        ["talk", "allowed.test", 4433, []],
        ["connect", "down.test", 4433],
        ["connect", "denied.test", 4433],
        ["talk", "inner.corp.test", direct.port, []],
      ],
      {
        network: {
          egress: [{ to: names, ports: [4433, direct.port] }, { to: ["127.0.0.1"] }],
          upstreamProxy: `http://user:secret@127.0.0.1:${port}`,
          noProxy: [".corp.test"],
        },
        resolve: (name) => (name === "inner.corp.test" ? ["127.0.0.1"] : []),
      },
    );
    t.deepEqual(end.outcomes, ["through", "EHOSTUNREACH", "EAI -2", "direct"]);
    const basic = `Basic ${Buffer.from("user:secret").toString("base64")}`;
    t.deepEqual(asked, [`allowed.test:4433 ${basic}`, `down.test:4433 ${basic}`]);
    t.deepEqual(end.resolved, ["inner.corp.test"], "the others are resolved by the proxy");
    const via = end.of("net.connect").find(({ name }) => name === "allowed.test");
    t.like(via, { verdict: "allow", via: `http://127.0.0.1:${port}`, address: undefined });
    t.notRegex(JSON.stringify(end.events), /secret/);
  },
);

liveTest.serial("the caller's proxy variables count when the policy takes them, and only then", async (t) => {
  const outside = await listen(
    t,
    createServer((socket) => socket.end("through")),
  );
  const direct = await listen(
    t,
    createServer((socket) => socket.end("direct")),
  );
  const { port, asked } = await corporateProxy(t, outside.port);
  const talk = async (upstreamProxy: string | undefined) =>
    attempt(t, scratch(t), [["talk", "allowed.test", direct.port, []]], {
      network: {
        ...allowing(["allowed.test"], [direct.port]),
        ...(upstreamProxy === undefined ? {} : { upstreamProxy }),
      },
      caller: { HTTPS_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: "example.org" },
    });
  t.deepEqual((await talk(undefined)).outcomes, ["direct"]);
  t.is(asked.length, 0);
  t.deepEqual((await talk("environment")).outcomes, ["through"]);
  t.is(asked.length, 1);
});

/** What a server on the host's loopback answers once it is there and its other end too. */
async function ask(port: number, text: string): Promise<string> {
  for (;;) {
    try {
      return await askNow(port, text);
    } catch (error) {
      if (!["ECONNREFUSED", "ECONNRESET", "EPIPE"].some((code) => isErrno(error, code))) throw error;
      await sleep(30);
    }
  }
}

async function askNow(port: number, text: string): Promise<string> {
  const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  socket.end(text);
  let heard = "";
  for await (const chunk of socket) heard += String(chunk);
  return heard;
}

async function connectOnce(port: number): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  return await new Promise((resolve) => {
    socket.once("connect", () => {
      socket.destroy();
      resolve("OK");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
  });
}

async function untilListening(port: number): Promise<void> {
  while ((await connectOnce(port)) !== "OK") await sleep(20);
}
