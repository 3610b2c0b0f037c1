/** Connections out of a sandbox, beside other ways for a program to get out of a network namespace or through a relay. */
import { spawn } from "node:child_process";
import { accessSync, closeSync, openSync, readFileSync } from "node:fs";
import path from "node:path";
import { clearTimeout, setTimeout } from "node:timers";
import { policyFromObject } from "../dist/src/policy/load.js";
import { run } from "../dist/src/sandbox/run.js";
import { interleaved, spawned } from "./measure.js";

const source = path.resolve(import.meta.dirname, "egress-peer.c");

/** Runs the client with these arguments and returns the numbers that it prints. @typedef {(...args: readonly string[]) => Promise<number[]>} Client */
/** @typedef {{ name: string, client: Client, stop: () => void }} Way */

/** @param {import("./bench.js").Bench} bench */
export async function egress(bench) {
  const peer = path.join(bench.folder, "egress-peer");
  await spawned(["gcc", "-O2", "-o", peer, source]);
  const server = await start([peer, "serve"], /^(\d+)\n/);
  /** @type {Way[]} */
  const ways = [
    { name: "no sandbox", client: clientOf([peer], "127.0.0.1", server.found), stop: () => undefined },
    { name: "skillbox", client: sandboxed(bench.folder, peer, server.found), stop: () => undefined },
  ];
  try {
    for (const open of [throughSocat, throughSlirp]) {
      try {
        ways.push(await open(peer, server.found));
      } catch (error) {
        bench.omit("egress", `${open.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
    await connections(bench, ways);
    await throughput(bench, ways);
  } finally {
    for (const { stop } of [...ways, server]) stop();
  }
}

/** One after the other, so that each shows all that it waits for. @param {import("./bench.js").Bench} bench @param {readonly Way[]} ways */
async function connections(bench, ways) {
  const count = bench.quick ? 100 : 1000;
  /** @type {Record<string, number[]>} */
  const perSecond = Object.fromEntries(ways.map(({ name }) => [name, []]));
  /** @type {number[]} */
  const cpu = [];
  const contenders = ways.map(({ name, client }) => {
    const measure = async () => {
      const before = process.cpuUsage();
      const [connectUs = NaN, each = NaN] = await client("connect", String(count));
      const { user, system } = process.cpuUsage(before);
      perSecond[name]?.push(each);
      if (name === "skillbox") cpu.push((user + system) / count);
      return connectUs;
    };
    return /** @type {const} */ ([name, measure]);
  });
  const samples = await interleaved(bench.quick ? 3 : 15, Object.fromEntries(contenders));
  bench.add({
    what: "connect() by name",
    unit: "µs",
    samples,
    base: "no sandbox",
    bars: [{ who: "skillbox", of: "extra", to: "no sandbox", atMost: 300 }],
  });
  // The round that does not count is among these, and first.
  const counted = Object.fromEntries(
    Object.entries(perSecond).map(([name, values]) => [name, values.slice(1)]),
  );
  bench.add({
    what: "connections, one after the other",
    unit: "1/s",
    samples: counted,
    base: "socat, a process each",
  });
  bench.add({
    what: "the supervisor's processor time for a connection, its start included",
    unit: "µs",
    samples: { skillbox: cpu.slice(1) },
  });
}

/** @param {import("./bench.js").Bench} bench @param {readonly Way[]} ways */
async function throughput(bench, ways) {
  const bytes = String((bench.quick ? 64 : 512) * 1024 ** 2);
  const contenders = ways.map(({ name, client }) => {
    const measure = async () => (await client("read", bytes))[0] ?? NaN;
    return /** @type {const} */ ([name, measure]);
  });
  const samples = await interleaved(bench.quick ? 3 : 15, Object.fromEntries(contenders));
  bench.add({
    what: "one connection, read",
    unit: "MB/s",
    samples,
    base: "socat, a process each",
    bars: [{ who: "skillbox", of: "ratio", to: "socat, a process each", atLeast: 1 }],
  });
}

/** @param {readonly string[]} argv @param {string} host @param {string} port @returns {Client} */
function clientOf(argv, host, port) {
  return async (what, amount = "") => numbers(await spawned([...argv, what, host, port, amount]));
}

/** Only within the library can a name be said to lead to this host's loopback. @param {string} folder @param {string} peer @param {string} port @returns {Client} */
function sandboxed(folder, peer, port) {
  const to = ["outside.test", "127.0.0.1"];
  const policy = policyFromObject(
    { version: 1, filesystem: { read: [folder] }, network: { egress: [{ to, ports: [Number(port)] }] } },
    { baseDirectory: folder },
  );
  const output = path.join(folder, "egress-output");
  return async (what, amount = "") => {
    const [input, told] = [openSync("/dev/null", "r"), openSync(output, "w")];
    try {
      const { exitCode } = await run({
        policy,
        argv: [peer, what, "outside.test", port, amount],
        cwd: folder,
        environment: { PATH: process.env["PATH"], HOME: folder },
        stdio: {
          stdin: { fd: input },
          stdout: { fd: told, sink: () => process.stdout },
          stderr: { fd: 2, sink: () => process.stderr },
        },
        auditFile: path.join(folder, "egress-record"),
        resolve: () => Promise.resolve(["127.0.0.1"]),
      });
      if (exitCode !== 0) throw new Error(`egress-peer ${what} ended with ${exitCode}`);
      return numbers(readFileSync(output, "utf8"));
    } finally {
      for (const fd of [input, told]) closeSync(fd);
    }
  };
}

/** A relay that knows no rules. @param {string} peer @param {string} port @returns {Promise<Way>} */
async function throughSocat(peer, port) {
  const listening = [
    "socat",
    "-d",
    "-d",
    "-b",
    "65536",
    "TCP-LISTEN:0,bind=127.0.0.1,fork,reuseaddr,backlog=512",
  ];
  const socat = await start(
    [...listening, `TCP:127.0.0.1:${port}`],
    /listening on AF=2 127\.0\.0\.1:(\d+)\n/,
  );
  return {
    name: "socat, a process each",
    client: clientOf([peer], "127.0.0.1", socat.found),
    stop: socat.stop,
  };
}

/** A namespace whose packets are turned into connections of the host's, without rules. @param {string} peer @param {string} port @returns {Promise<Way>} */
async function throughSlirp(peer, port) {
  accessSync("/dev/net/tun");
  const namespace = await start(
    ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", "echo $$; exec sleep infinity"],
    /^(\d+)\n/,
  );
  const pid = namespace.found;
  try {
    const slirp = await start(
      ["slirp4netns", "--configure", "--mtu=65520", "--ready-fd=1", pid, "tap0"],
      /(?:^|\n)(1)/,
    );
    const enter = ["nsenter", "--preserve-credentials", "--user", "--net", "--target", pid, "--", peer];
    const stop = () => {
      slirp.stop();
      namespace.stop();
    };
    return { name: "slirp4netns", client: clientOf(enter, "10.0.2.2", port), stop };
  } catch (error) {
    namespace.stop();
    throw error;
  }
}

/** Waits for what a program says when it is ready. @param {readonly string[]} argv @param {RegExp} ready */
async function start([program = "", ...args], ready) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const stop = () => void child.kill("SIGKILL");
  let told = "";
  /** @type {NodeJS.Timeout | undefined} */
  let patience;
  const found = new Promise((resolve, reject) => {
    patience = setTimeout(() => reject(new Error(`${program} was not ready in time: ${told}`)), 10_000);
    const read = (/** @type {Buffer} */ chunk) => {
      told += String(chunk);
      const match = ready.exec(told)?.[1];
      if (match !== undefined) resolve(match);
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`${program}: ${told}`)));
  });
  try {
    return { found: String(await found), stop };
  } catch (error) {
    stop();
    throw error;
  } finally {
    clearTimeout(patience);
  }
}

/** @param {string} text */
function numbers(text) {
  return text.trim().split(" ").map(Number);
}
