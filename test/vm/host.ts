import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import type { ExecutionContext } from "ava";
import { collected, type Collected } from "../helpers/collected.js";
import { cli } from "../helpers/exec.js";

/** What these tests do to a host is nothing for any but the machine that test/vm/run-in-vm.ts starts for them. */
export const isOurMachine = process.env["SKILLBOX_TEST_OWN_MACHINE"] === "1";

export const callers = ["root", "dev"] as const;
type Caller = (typeof callers)[number];

/** "works", or what skillbox says and how to mend it. */
type Expected = "works" | RegExp;

export interface Expectations {
  /** Any program at all. */
  readonly run: Expected;
  readonly memoryLimit: Expected;
  /** To an address of this host, as a rule allows. */
  readonly network: Expected;
}

const devUid = 1000;

/** An ordinary directory: /tmp of the machine is a tmpfs, which a root caller cannot use before Linux 6.3. */
const workingDirectory = "/var/tmp/work";

const server = { address: "10.9.8.7", port: 8080 };
const connect =
  "import socket, sys; c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20); print(c.recv(5).decode())";

export async function meets(t: ExecutionContext, caller: Caller, expected: Expectations): Promise<void> {
  meet(t, "run", expected.run, await exec(caller, [], ["echo", "works"]));
  meet(t, "memory limit", expected.memoryLimit, await exec(caller, ["--memory", "64MiB"], ["echo", "works"]));
  const { address, port } = server;
  const outcome = await withServer(async () =>
    exec(caller, ["--allow", `${address}:${port}`], ["python3", "-c", connect, address, String(port)]),
  );
  meet(t, "network", expected.network, outcome);
}

function meet(t: ExecutionContext, what: string, expected: Expected, { stdout, stderr, status }: Collected) {
  if (expected === "works") t.deepEqual([stdout, status], ["works\n", 0], `${what}: ${stderr}`);
  else {
    t.not(status, 0, what);
    t.regex(stderr, expected, what);
    t.regex(stderr, /hint: |Error: /, what);
  }
}

export async function exec(
  caller: Caller,
  options: readonly string[],
  argv: readonly string[],
): Promise<Collected> {
  return run(caller, ["exec", ...options, "--", ...argv]);
}

/** skillbox as that user, in whose cgroup the test is. */
export async function run(caller: Caller, args: readonly string[]): Promise<Collected> {
  const ordinary = ["setpriv", `--reuid=${devUid}`, `--regid=${devUid}`, "--init-groups", "--"];
  const [command = "", ...rest] = [...(caller === "root" ? [] : ordinary), process.execPath, cli, ...args];
  return collect(command, rest);
}

/** A line for a shell, as root. */
export async function shell(line: string): Promise<void> {
  const { status, stderr } = await collect("bash", ["-euc", line]);
  if (status !== 0) throw new Error(`${line}: ${stderr}`);
}

async function collect(command: string, args: readonly string[]): Promise<Collected> {
  mkdirSync(workingDirectory, { recursive: true });
  const child = spawn(command, args, {
    cwd: workingDirectory,
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/nonexistent" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return collected(child);
}

async function withServer<Result>(task: () => Promise<Result>): Promise<Result> {
  await shell(`ip address replace ${server.address}/32 dev lo`);
  const listening = createServer((accepted) => {
    accepted.on("error", () => undefined).end("works");
  }).listen(server.port, server.address);
  try {
    await new Promise((resolve, reject) => listening.once("listening", resolve).once("error", reject));
    return await task();
  } finally {
    listening.close();
  }
}
