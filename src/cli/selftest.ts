import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { SkillboxError } from "../errors.js";
import { sandbox } from "../library/sandbox.js";
import { loadNative } from "../native/binding.js";
import type { PolicyInput } from "../policy/schema.js";
import { makeOwnedFolder } from "../sandbox/owned-folder.js";

/** What `skillbox selftest --json` prints. */
export interface SelftestReport {
  readonly version: 1;
  /** Whether every probe was held; the exit status is 0 if so, 1 if not. */
  readonly ok: boolean;
  readonly caller: { readonly uid: number | undefined };
  readonly probes: readonly ProbeResult[];
}

export interface ProbeResult {
  /** The policy under which it ran: "default", or "permissive" (writes, and a name outside, are allowed). */
  readonly policy: string;
  readonly layer: string;
  readonly probe: string;
  readonly held: boolean;
  /** What the probe saw: an errno's name, or words. */
  readonly seen: string;
}

/** Tries, on this host and as this caller, to get out of a sandbox through every layer. 0: everything held. */
export async function selftest(
  options: { readonly json: boolean },
  out: NodeJS.WritableStream,
): Promise<number> {
  const probes = await attempt();
  const ok = probes.every(({ held }) => held);
  const report: SelftestReport = { version: 1, ok, caller: { uid: process.geteuid?.() }, probes };
  const text = options.json ? JSON.stringify(report, undefined, 2) : render(report);
  if (!out.write(`${text}\n`)) await once(out, "drain");
  return ok ? 0 : 1;
}

async function attempt(): Promise<readonly ProbeResult[]> {
  const directory = await makeOwnedFolder("selftest");
  const servers: Server[] = [];
  try {
    // What the host has and the program must not reach.
    const port = await listen(servers, { host: "127.0.0.1", port: 0 });
    const socket = join(directory, "socket");
    await listen(servers, { path: socket });
    const abstract = `skillbox-selftest-${randomBytes(8).toString("hex")}`;
    await listen(servers, { path: `\0${abstract}` });
    const targets = { home: homedir(), pid: process.pid, port, socket, abstract, secret: "told" };
    const results: ProbeResult[] = [];
    for (const [name, policy] of Object.entries(policies(directory))) {
      results.push(...(await probeUnder(name, policy, directory, targets)));
    }
    return results;
  } finally {
    await Promise.all(servers.map(async (server) => new Promise((resolve) => server.close(resolve))));
    rmSync(directory, { recursive: true });
  }
}

/** The permissive one grants what can be granted without giving the host away. */
function policies(directory: string): Readonly<Record<string, PolicyInput>> {
  const probe = dirname(selftestProgram());
  return {
    default: { version: 1, filesystem: { read: [probe, directory] } },
    permissive: {
      version: 1,
      filesystem: { read: [probe, directory] },
      network: { egress: [{ to: ["allowed.invalid"], ports: [443] }] },
      audit: { level: "all" },
    },
  };
}

function selftestProgram(): string {
  return join(dirname(loadNative().initPath), "skillbox-selftest");
}

async function listen(
  servers: Server[],
  where: { host: string; port: number } | { path: string },
): Promise<number> {
  const server = createServer((connection) => connection.destroy());
  servers.push(server);
  server.listen(where);
  await once(server, "listening");
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

async function probeUnder(
  policyName: string,
  policy: PolicyInput,
  directory: string,
  targets: Readonly<Record<string, string | number>>,
): Promise<readonly ProbeResult[]> {
  const { stdout, stderr, exitCode, outcome } = await sandbox({
    argv: [selftestProgram(), ...Object.entries(targets).map(([name, value]) => `${name}=${value}`)],
    policy,
    cwd: directory,
    env: { ...process.env, SKILLBOX_SELFTEST_SECRET: "told" },
    events: true,
  });
  const results = stdout
    .split("\n")
    .slice(0, -1)
    .map((line) => readProbe(policyName, line));
  if (results.length === 0 || (exitCode !== 0 && exitCode !== 1)) {
    throw new SkillboxError(
      "ERR_INTERNAL",
      `the probes did not run to their end: ${outcome} ${exitCode ?? ""}`,
      {
        hint: stderr === "" ? "please report it with `skillbox doctor --json`" : stderr.trim(),
      },
    );
  }
  return results;
}

function readProbe(policy: string, line: string): ProbeResult {
  const [layer = "", probe = "", verdict, seen = ""] = line.split("\t");
  return { policy, layer, probe, held: verdict === "held", seen };
}

function render({ ok, probes }: SelftestReport): string {
  const lines: string[] = [];
  for (const [layer, ofLayer] of groups(probes, (probe) => probe.layer)) {
    lines.push(layer);
    for (const [name, results] of groups(ofLayer, ({ probe }) => probe)) {
      const seen = [
        ...new Set(results.map((result) => (result.held ? result.seen : `OPEN: ${result.seen}`))),
      ];
      const mark = results.every(({ held }) => held) ? "held" : "OPEN";
      lines.push(`  ${mark}  ${name.padEnd(44)} ${seen.join(", ")}`);
    }
  }
  const open = probes.filter(({ held }) => !held);
  const names = [...groups(probes, ({ policy }) => policy).keys()].join(" and the ");
  lines.push(
    "",
    ok
      ? `All ${probes.length} probes held, under the ${names} policy.`
      : `${open.length} of ${probes.length} probes got through. Do not run untrusted programs here; please report it: SECURITY.md says where.`,
  );
  return lines.join("\n");
}

/** In the order of their first members (Map.groupBy, from Node 21 on). */
function groups(
  probes: readonly ProbeResult[],
  keyOf: (probe: ProbeResult) => string,
): ReadonlyMap<string, readonly ProbeResult[]> {
  const map = new Map<string, ProbeResult[]>();
  for (const probe of probes) {
    const key = keyOf(probe);
    const group = map.get(key);
    if (group === undefined) map.set(key, [probe]);
    else group.push(probe);
  }
  return map;
}
