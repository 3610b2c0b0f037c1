/**
 * Throws damaged texts at what reads a policy, a profile of system calls and an audit record:
 *
 *     node dist/test/fuzz/texts.js [--seconds N] [--seed N] [policy|profile|record…]
 *
 * Texts are sound ones with bytes and lines changed, taken out, doubled and exchanged; those that led to a message of a new shape are grown
 * further. Ends with status 1 and the text where a reader takes long, throws anything but its own error, or says what is not fit
 * for a terminal.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

import { Integrity } from "../../src/audit/integrity.js";
import { readEvent } from "../../src/audit/read-event.js";
import { renderSummary } from "../../src/audit/render-summary.js";
import { plainStyle } from "../../src/audit/style.js";
import { RecordSummary } from "../../src/audit/summary.js";
import { SkillboxError } from "../../src/errors.js";
import { parsePolicy } from "../../src/policy/load.js";
import { parseProfile } from "../../src/seccomp/parse-profile.js";
import { recordOf, sample } from "../unit/audit/sample-record.js";

const { values, positionals } = parseArgs({
  options: { seconds: { type: "string" }, seed: { type: "string" } },
  allowPositionals: true,
});
const seconds = Number(values.seconds ?? 10);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const random = mulberry32(seed);
const root = path.resolve(import.meta.dirname, "../../..");

/** Of the processor's time; far above what any of them takes. */
const patienceMs = 1500;

interface Reader {
  readonly name: string;
  readonly sound: readonly string[];
  /** What it says of the text. Throws nothing. */
  readonly read: (text: Buffer) => string;
}

const policies = [
  `version: 1
name: pdf-tools
filesystem:
  root: host
  read: [./assets, /opt/models]
  write: [./out]
  overlay: [./workspace]
  deny: [./assets/private]
  tmp: 64MiB
network:
  egress:
    - to: [pypi.org, "*.pythonhosted.org", 10.1.0.0/16]
      except: [10.1.9.0/24]
      ports: [443, "8000-8100"]
  egressDeny:
    - to: [telemetry.pypi.org]
  forward: ["5432:127.0.0.1:5432"]
resources: { memory: 512MiB, cpus: 1.5, pids: 64, wallTime: 60s, cpuTime: 30s, openFiles: 1024 }
environment: { pass: [LANG], set: { MODE: batch } }
syscalls: { profile: default }
audit: { level: security, maxBytes: 1GiB, onFailure: stop }
`,
  `{"version":1,"filesystem":{"read":["."]},"network":{"egress":[{"to":["a.example"]}]}}`,
  `version: 1\nextends: python\nenvironment:\n  set: &a {A: "1"}\n`,
];

const readers: readonly Reader[] = [
  {
    name: "policy",
    sound: policies,
    read: (text) =>
      outcome(
        () => parsePolicy(text.toString(), { baseDirectory: "/work", extendsFiles: false }).policy.version,
      ),
  },
  {
    name: "profile",
    sound: [
      `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64"],"syscalls":[
{"names":["read","write"],"action":"SCMP_ACT_ALLOW"},
{"names":["personality"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":4294967295,"op":"SCMP_CMP_EQ"}],"includes":{"minKernel":"4.8"}},
{"names":["clone"],"action":"SCMP_ACT_ERRNO","errnoRet":1,"args":[{"index":0,"value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}],"excludes":{"caps":["CAP_SYS_ADMIN"],"arches":["s390"]}}]}`,
      readFileSync(path.join(root, "test/fixtures/seccomp/docker-default.json"), "utf8"),
      readFileSync(path.join(root, "test/fixtures/seccomp/podman-default.json"), "utf8"),
    ],
    read: (text) =>
      outcome(() => parseProfile({ file: "p.json", text: text.toString() }, { arch: "x64" }).defaultAction),
  },
  { name: "record", sound: [recordOf(sample)], read: readRecord },
];

const tokens = [
  ...`{ } [ ] , : - # & * ! | > ' " % @ ? ~ << . / \\ = 0 1 -1 1e999 0x10 0o17 .inf .nan no null true`.split(
    " ",
  ),
  ..."18446744073709551616 __proto__ constructor &a *a !!js/function !!binary --- ... 99999999999999999999GiB".split(
    " ",
  ),
  ..."1.5.5s *.*.* **. 2001:db8::/129 256.1.1.1 ` \n \t \0 \u001b[2J \u202e \u2028 \ud800".split(" "),
  ...["\n  ", "__proto__: ", '"__proto__":', "*a, *a, *a, *a, *a, *a", "<<: *a", "? [", '"a": &b [*b, *b]'],
].map((token) => Buffer.from(token));

for (const reader of readers) {
  if (positionals.length === 0 || positionals.includes(reader.name)) fuzz(reader);
}

function fuzz({ name, sound, read }: Reader): void {
  const corpus: Buffer[] = sound.map((text) => Buffer.from(text));
  const shapes = new Set<string>();
  let texts = 0;
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) {
    const text = mutate(pick(corpus), corpus);
    const before = process.cpuUsage();
    let said: string;
    try {
      said = read(text);
      if (/[^\P{C}\n]|[\u2028\u2029]/u.test(said))
        throw new Error(`not fit for a terminal: ${JSON.stringify(said)}`);
    } catch (error) {
      console.error(`${name}, seed ${seed}: ${JSON.stringify(text.toString("latin1"))}`);
      throw error;
    }
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 > patienceMs) {
      console.error(`${name}, seed ${seed}: ${JSON.stringify(text.toString("latin1"))}`);
      throw new Error(`took ${(user + system) / 1000} ms`);
    }
    texts++;
    const shape = said.replaceAll(/["'`].*?["'`]|\d+/g, "").slice(0, 200);
    if (shapes.has(shape) || shapes.size > 3000) continue;
    shapes.add(shape);
    corpus.push(text);
  }
  console.log(
    `${name}: ${texts} texts in ${seconds} s, ${shapes.size} shapes of answers, seed ${seed}: no finding`,
  );
}

function outcome(read: () => unknown): string {
  try {
    return String(read());
  } catch (error) {
    if (!(error instanceof SkillboxError) || error.code !== "ERR_POLICY") throw error;
    return error.message;
  }
}

function readRecord(text: Buffer): string {
  const integrity = new Integrity();
  const summary = new RecordSummary(100);
  let line = 0;
  for (let start = 0; start < text.length;) {
    const found = text.indexOf(0x0a, start);
    const end = found < 0 ? text.length : found;
    const read = readEvent(text.subarray(start, end));
    integrity.check(++line, read, found >= 0);
    if ("event" in read) summary.add(read.event, true);
    start = end + 1;
  }
  integrity.close();
  return renderSummary(summary, integrity, { file: "record", limit: 100, style: plainStyle });
}

function mutate(parent: Buffer, corpus: readonly Buffer[]): Buffer {
  let text: Buffer = Buffer.from(parent);
  for (let changes = below(4); changes >= 0; changes--) {
    const at = below(text.length + 1);
    const way = below(7);
    if (way === 0 && at < text.length) text[at] = below(256);
    else if (way === 1) text = splice(text, at, below(20), Buffer.alloc(0));
    else if (way === 2) text = splice(text, at, 0, pick(tokens));
    else if (way === 3) text = splice(text, at, below(8), pick(tokens));
    else if (way === 4) text = splice(text, at, 0, piece(text));
    else if (way === 5) text = splice(text, at, below(40), piece(pick(corpus)));
    else text = text.subarray(0, at);
    text = Buffer.from(text.subarray(0, 65_536));
  }
  return text;
}

function splice(text: Buffer, at: number, cut: number, put: Buffer): Buffer {
  return Buffer.concat([text.subarray(0, at), put, text.subarray(at + cut)]);
}

function piece(text: Buffer): Buffer {
  const from = below(text.length + 1);
  return text.subarray(from, from + below(60));
}

function pick<Item>(items: readonly Item[]): Item {
  const item = items[below(items.length)];
  if (item === undefined) throw new Error("nothing to pick");
  return item;
}

function below(limit: number): number {
  return Math.floor(random() * limit);
}

/** Tommy Ettinger's generator of 32 bits of state, for runs that can be repeated. */
function mulberry32(state: number): () => number {
  let a = state;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let mixed = Math.imul(a ^ (a >>> 15), 1 | a);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
