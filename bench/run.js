/**
 * What skillbox costs, beside what others cost for the same work in the same run:
 *
 *     npm run bench -- [--quick] [--json FILE] [--markdown] [--check] [PART…]
 *
 * Every figure is a median of interleaved rounds; the machine should have nothing else to do, and the load that it had is told.
 * Each bar of the design is met or MISSED, which changes the exit status only with --check. `npm run bench:peers` installs the
 * Debian packages to compare with; --markdown prints the table of README.md.
 */
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Bench } from "./bench.js";
import { calls } from "./calls.js";
import { commandLine, launch } from "./launch.js";
import { crowd, memory } from "./memory.js";
import { findPeers } from "./peers.js";
import { describeMachine, forReadme, forTerminal, isBusy } from "./report.js";
import { throughput } from "./throughput.js";
import { workloads } from "./workloads.js";

/** @type {Record<string, (bench: Bench) => Promise<void>>} */
const parts = {
  launch,
  cli: commandLine,
  throughput,
  calls,
  workloads,
  memory,
  crowd,
  ...(await networkPart()),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    json: { type: "string" },
    markdown: { type: "boolean", default: false },
    check: { type: "boolean", default: false },
  },
});
const unknown = positionals.filter((name) => !(name in parts));
if (unknown.length > 0)
  throw new Error(`${unknown.join(", ")}: the parts are ${Object.keys(parts).join(", ")}`);

const build = path.resolve(import.meta.dirname, "../build");
const folder = realpathSync(mkdtempSync(path.join(build, "bench-")));
try {
  const load = loadavg()[0] ?? 0;
  const { peers, missing } = await findPeers(inside("peers"));
  const bench = new Bench({ quick: values.quick, folder: inside("work"), peers });
  for (const [name, measure] of Object.entries(parts)) {
    if (positionals.length > 0 && !positionals.includes(name)) continue;
    console.error(`${name} …`);
    await measure(bench);
  }
  tell(bench, describeMachine(load), missing, load);
} finally {
  rmSync(folder, { recursive: true });
}

/** bench/egress.js exports `egress`, of the same kind as the other parts. */
async function networkPart() {
  if (!existsSync(path.join(import.meta.dirname, "egress.js"))) return {};
  const { egress } = await import(new URL("egress.js", import.meta.url).href);
  return { egress };
}

/** @param {string} name */
function inside(name) {
  const made = path.join(folder, name);
  mkdirSync(made);
  return made;
}

/** @param {Bench} bench @param {string} machine @param {readonly string[]} missing @param {number} load */
function tell({ tables, peers, omissions }, machine, missing, load) {
  const versions = peers.map(({ name, version }) => `${name} ${version}`);
  if (values.json !== undefined) {
    const report = { machine, load, quick: values.quick, peers: versions, missing, omissions, tables };
    writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  }
  const lines = values.markdown ? forReadme(tables) : forTerminal(tables);
  const remarks = [
    machine,
    `beside ${versions.join("; ") || "nobody"}`,
    ...missing,
    ...omissions.map((text) => `left out: ${text}`),
    ...(isBusy(load) ? ["the machine was busy: only ratios mean something"] : []),
  ];
  console.log(["", ...lines, ...remarks].join("\n"));
  const missed = tables.flatMap(({ rows }) => rows.flatMap(({ bars }) => bars.filter(({ met }) => !met)));
  if (values.check && missed.length > 0) process.exitCode = 1;
}
