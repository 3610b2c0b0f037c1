import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { once } from "node:events";
import net from "node:net";
import type { ExecutionContext } from "ava";
import { z } from "zod";
import { auditEventSchema } from "../../src/audit/event.js";
import { policyFromObject } from "../../src/policy/load.js";
import type { RunResult } from "../../src/result/run-result.js";
import { run, type RunRequest } from "../../src/sandbox/run.js";
import { callerEnvironment } from "./exec.js";
import { fixture, type Scratch } from "./scratch.js";

export interface NetworkedRequest {
  /** `network` of the policy, in the shape of its YAML. */
  readonly network: NetworkInput;
  /** How names resolve outside; by default every name is 127.0.0.1. */
  readonly resolve?: (name: string) => readonly string[];
  /** Other sections of the policy. */
  readonly policy?: Readonly<Record<string, unknown>>;
  /** Variables that the program gets. */
  readonly set?: Readonly<Record<string, string>>;
  /** Variables of the caller's, beside the usual ones. */
  readonly caller?: Readonly<Record<string, string>>;
  readonly onDenial?: RunRequest["onDenial"];
  readonly timeouts?: RunRequest["egressTimeouts"];
  readonly signal?: AbortSignal;
}

export interface NetworkInput {
  readonly egress: readonly RuleInput[];
  readonly egressDeny?: readonly RuleInput[];
  readonly forward?: readonly string[];
  readonly publish?: readonly string[];
  readonly unixSockets?: readonly string[];
  readonly proxyPort?: number;
  readonly upstreamProxy?: string;
  readonly noProxy?: readonly string[];
}

interface RuleInput {
  readonly to: readonly string[];
  readonly ports?: readonly (number | string)[];
}

/** An event of the record, as loose as a reader takes it; that it fits the schema is asserted besides. */
const eventSchema = z.looseObject({
  type: z.string(),
  pid: z.number().optional(),
  exe: z.string().optional(),
  name: z.string().optional(),
  address: z.string().optional(),
  port: z.number().optional(),
  verdict: z.string().optional(),
  rule: z.string().optional(),
  errno: z.string().optional(),
  hint: z.string().optional(),
  reason: z.string().optional(),
  connection: z.number().optional(),
  via: z.string().optional(),
});
export type RecordedEvent = z.infer<typeof eventSchema>;

export interface NetworkedEnd {
  readonly result: RunResult;
  readonly stdout: string;
  readonly stderr: string;
  readonly events: readonly RecordedEvent[];
  /** Those of one type. */
  readonly of: (type: string) => readonly RecordedEvent[];
}

let runs = 0;

/**
 * A run in this process, since only here a test can say how names resolve outside. Its events are checked against the schema of
 * the record, and what it asked of the resolver outside is told.
 */
export async function runNetworked(
  t: ExecutionContext,
  box: Scratch,
  argv: readonly string[],
  request: NetworkedRequest,
): Promise<NetworkedEnd & { readonly resolved: readonly string[] }> {
  const id = String(++runs);
  const outputs = [box.at(`stdout-${id}`), box.at(`stderr-${id}`)] as const;
  const fds = [openSync("/dev/null", "r"), openSync(outputs[0], "w"), openSync(outputs[1], "w")] as const;
  const auditFile = box.file(`events-${id}.jsonl`, "", 0o600);
  const resolved: string[] = [];
  const { resolve = () => ["127.0.0.1"] } = request;
  const policy = policyFromObject(
    { version: 1, network: request.network, environment: { set: request.set ?? {} }, ...request.policy },
    { baseDirectory: box.work },
  );
  try {
    const result = await run({
      policy,
      argv,
      cwd: box.work,
      environment: callerEnvironment(box, request.caller),
      stdio: {
        stdin: { fd: fds[0] },
        stdout: { fd: fds[1], sink: () => process.stdout },
        stderr: { fd: fds[2], sink: () => process.stderr },
      },
      auditFile,
      onDenial: request.onDenial,
      egressTimeouts: request.timeouts,
      signal: request.signal,
      resolve: async (name) => {
        resolved.push(name);
        return Promise.resolve(resolve(name));
      },
    });
    const events = readEvents(t, auditFile);
    return {
      result,
      stdout: readFileSync(outputs[0], "utf8"),
      stderr: readFileSync(outputs[1], "utf8"),
      events,
      of: (type) => events.filter((event) => event.type === type),
      resolved,
    };
  } finally {
    for (const fd of fds) closeSync(fd);
  }
}

function readEvents(t: ExecutionContext, file: string): RecordedEvent[] {
  const lines = readFileSync(file, "utf8").trimEnd().split("\n");
  return lines.map((line) => {
    const value: unknown = JSON.parse(line);
    const { error } = auditEventSchema.safeParse(value);
    if (error !== undefined) t.fail(`${line}: ${error.message}`);
    return eventSchema.parse(value);
  });
}

export interface Listening {
  readonly port: number;
  readonly server: net.Server;
  /** How many connections came, ever. */
  readonly count: () => number;
}

/** Starts a server on a loopback address of the host for one test. */
export async function listen(
  t: ExecutionContext,
  server: net.Server,
  { host = "127.0.0.1", port = 0, backlog = 511 } = {},
): Promise<Listening> {
  let connections = 0;
  const open = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => {
    connections++;
    open.add(socket);
    socket.on("close", () => open.delete(socket)).on("error", () => undefined);
  });
  server.listen({ host, port, backlog });
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return { port: portOf(server), server, count: () => connections };
}

export function portOf(server: net.Server): number {
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("not listening on a port");
  return address.port;
}

/** The same server on 127.0.0.1 and ::1, at one port. */
export async function listenOnBoth(
  t: ExecutionContext,
  create: () => net.Server,
): Promise<{ readonly port: number; readonly v4: Listening; readonly v6: Listening }> {
  const v4 = await listen(t, create());
  const v6 = await listen(t, create(), { host: "::1", port: v4.port });
  return { port: v4.port, v4, v6 };
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function closedPort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  server.close();
  await once(server, "close");
  return port;
}

/** A port whose backlog is full: the kernel drops every further SYN. */
export async function blackhole(t: ExecutionContext): Promise<number> {
  const script = [
    "import socket, time",
    "server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen(0)",
    "full = [socket.socket() for _ in range(4)]",
    "for client in full: client.setblocking(False); client.connect_ex(server.getsockname())",
    "time.sleep(0.1); print(server.getsockname()[1], flush=True); time.sleep(600)",
  ].join("\n");
  const child = spawn("python3", ["-c", script], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  return await new Promise((resolve) => child.stdout.once("data", (line) => resolve(Number(String(line)))));
}

/** The names, and that they may lead to this host's loopback: the only outside that tests have. */
export function allowing(names: readonly string[], ports: readonly (number | string)[]): NetworkInput {
  return {
    egress: [
      { to: names, ports },
      { to: ["127.0.0.1", "::1"], ports },
    ],
  };
}

/** What test/fixtures/network/attempts.py can do, and its arguments. */
export type Attempt = readonly [what: string, ...args: readonly unknown[]];

export interface Attempted extends NetworkedEnd {
  readonly resolved: readonly string[];
  /** In the order of the attempts: "OK", the name of an errno, or what was read. */
  readonly outcomes: readonly unknown[];
  readonly tookMs: readonly number[];
}

/** Lets a Python program in a sandbox try things, one after the other. */
export async function attempt(
  t: ExecutionContext,
  box: Scratch,
  attempts: readonly Attempt[],
  request: NetworkedRequest,
): Promise<Attempted> {
  const program = box.file("work/attempts.py", readFileSync(fixture("network/attempts.py")));
  const argv = ["python3", program, box.file("work/attempts.json", JSON.stringify(attempts))];
  const end = await runNetworked(t, box, argv, request);
  const parsed = outcomesSchema.safeParse(end.stdout === "" ? undefined : JSON.parse(end.stdout));
  if (!parsed.success) throw new Error(`attempts.py: ${end.stdout}${end.stderr}`);
  return {
    ...end,
    outcomes: parsed.data.map(({ outcome }) => outcome),
    tookMs: parsed.data.map(({ ms }) => ms),
  };
}

const outcomesSchema = z.array(z.object({ outcome: z.unknown(), ms: z.number() }));
