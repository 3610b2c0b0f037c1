import { randomUUID } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { EgressRules } from "../egress/rules.js";
import { SkillboxError } from "../errors.js";
import { packageRoot, version } from "../package-root.js";
import { pathContains } from "../policy/paths.js";
import type { Policy } from "../policy/policy.js";
import { makeOwnedFolder } from "../sandbox/owned-folder.js";
import { effectiveSkillPolicy } from "../skill/effective.js";
import { readSkill, type Skill } from "../skill/skill.js";
import type { Baseline } from "./baseline.js";
import { coverageOf } from "./coverage.js";
import { driftOf } from "./drift.js";
import { type EntryPoint, findEntryPoints } from "./entry-points.js";
import { type Exercise, exercise as exerciseOne } from "./exercise.js";
import { findingsOf, type Seen } from "./findings.js";
import { hiddenTriggers } from "./hidden-trigger.js";
import { type Inventory, takeInventory } from "./inventory.js";
import { type Acts, actsOf } from "./judge/acts.js";
import { judgeFiles } from "./judge/files.js";
import { judgeNetwork } from "./judge/network.js";
import { judgeProcesses } from "./judge/processes.js";
import { observedOf } from "./observe.js";
import { policyPart } from "./policy-part.js";
import { installedFrom } from "./registry.js";
import { boundedList, boundedText, bounds } from "./report-bounds.js";
import type { Severity } from "./report-findings.js";
import { type ScanReport, type ScanRun, verdictOf } from "./scan-report.js";
import { makeAuthority } from "./sinkhole/authority.js";
import { suggestPolicy } from "./suggest.js";

export interface ScanOptions {
  /** The skill's folder. */
  readonly directory: string;
  /** The operator's ceiling. Default: the built-in one. */
  readonly ceiling?: Policy | undefined;
  readonly baseline?: Baseline | undefined;
  /** Default: HIGH. */
  readonly failOn?: Severity | undefined;
  /** Of each run. Default: 5 s. */
  readonly timeoutMs?: number | undefined;
  /** Runs at a time. Default: as many as the host has processors. */
  readonly parallel?: number | undefined;
  /** A directory in which the runs' records are kept, in a folder of the scan's own. Default: none is. */
  readonly keepRecords?: string | undefined;
  /** Ends the scan: the report says what is known so far. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, of: number, what: string) => void) | undefined;
}

/** What a run did, next to the run. */
export interface Observation {
  readonly exercise: Exercise;
  readonly acts: Acts;
}

/** The most entry points that are run; the rest is incomplete. */
const mostRuns = 200;

/**
 * Runs a skill's entry points, each in a sandbox of its own whose network is a sinkhole, and says what they did. Nothing of the
 * skill's folder changes and nothing leaves this machine. Throws ERR_USAGE or ERR_POLICY for what is no skill.
 */
export async function scanSkill(options: ScanOptions): Promise<ScanReport> {
  const startedAt = new Date();
  const begun = performance.now();
  const skill = readSkill(options.directory);
  const inventory = takeInventory(skill.directory);
  const narrowed = effectiveSkillPolicy(skill, options.ceiling);
  const found = findEntryPoints(skill, inventory);
  const scanId = randomUUID();
  const records = recordsFolder(options.keepRecords, scanId);
  const { exercises, left } = await exerciseAll(options, records, skill, narrowed.policy, found);
  const observations = exercises.map((each) => ({ exercise: each, acts: actsOf(each) }));
  const declared = new EgressRules(narrowed.policy.network);
  const drift = driftOf(skill, narrowed, observations);
  const installed = installedFrom(inventory);
  const done = observations.flatMap((each) => sightings(each, inventory, declared));
  const seen: Seen[] = [
    ...installed.seen,
    ...inventory.oddities.map(({ rule, path, what }) => ({ rule, file: path, subject: [path], what })),
    ...done,
    ...hiddenTriggers(done, skill.body),
    ...drift.seen,
  ];
  const failOn = options.failOn ?? "HIGH";
  const findings = boundedList(findingsOf(seen, options.baseline), bounds.findings);
  const coverage = coverageOf(exercises, left);
  return {
    v: 1,
    scanId,
    skillbox: version(),
    startedAt: startedAt.toISOString(),
    durationMs: performance.now() - begun,
    skill: {
      name: skill.name,
      ...(skill.version === undefined ? {} : { version: boundedText(skill.version, bounds.name) }),
      description: skill.description,
      directory: options.directory,
      sha256: inventory.sha256,
      files: boundedList(
        inventory.files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
        bounds.skillFiles,
      ),
      ...(installed.registry === undefined ? {} : { registry: installed.registry }),
    },
    policy: policyPart(skill, options.ceiling, narrowed.policy, suggestPolicy(skill, observations)),
    runs: boundedList(exercises.map(runOf), bounds.runs),
    findings,
    drift: boundedList(drift.items, bounds.drift),
    observed: observedOf(observations),
    coverage,
    notices: boundedList(
      [...skill.notices, ...(found.length === 0 ? ["the skill has no code: nothing was executed"] : [])],
      bounds.notices,
    ),
    failOn,
    verdict: verdictOf({ findings, coverage }, failOn),
  };
}

interface Exercised {
  readonly exercises: readonly Exercise[];
  readonly left: readonly EntryPoint[];
}

function recordsFolder(directory: string | undefined, scanId: string): string | undefined {
  if (directory === undefined) return undefined;
  const folder = resolve(directory, scanId);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SkillboxError("ERR_USAGE", `the records cannot be kept: ${why}`, {
      hint: "name a directory that can be written",
      cause,
    });
  }
  return folder;
}

async function exerciseAll(
  { timeoutMs = 5000, parallel = availableParallelism(), signal, onProgress }: ScanOptions,
  records: string | undefined,
  { directory, name }: Skill,
  effective: Policy,
  found: readonly EntryPoint[],
): Promise<Exercised> {
  const folder = await makeOwnedFolder("scan");
  try {
    // A root caller's programs are other users: what they are shown must be theirs to enter.
    chmodSync(folder, 0o755);
    const kit = join(folder, "kit");
    cpSync(join(packageRoot(), "scan-harness"), kit, { recursive: true });
    const authority = makeAuthority();
    writeFileSync(join(kit, "ca.pem"), authority.certificate);
    const reads = effective.filesystem.read.filter(({ path }) => !pathContains(directory, path));
    const skill = realpathSync.native(directory);
    const exercises: Exercise[] = [];
    const todo = [...found.slice(0, mostRuns).entries()];
    const left = found.slice(mostRuns);
    const work = async (): Promise<void> => {
      for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
        const [index, entry] = next;
        if (signal?.aborted === true) {
          left.push(entry);
          continue;
        }
        const id = `r${index + 1}`;
        const own = join(folder, id);
        mkdirSync(own);
        const keptRecord = records === undefined ? undefined : join(records, `${id}.jsonl`);
        const common = { skill, name, kit, authority, reads, timeoutMs, signal };
        exercises.push(await exerciseOne({ ...common, id, entry, folder: own, keptRecord }));
        rmSync(own, { recursive: true, force: true });
        onProgress?.(exercises.length, found.length, `${entry.phase} ${entry.file}`);
      }
    };
    await Promise.all(Array.from({ length: Math.max(1, parallel) }, work));
    return { exercises: exercises.toSorted((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1))), left };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function sightings(
  { exercise, acts }: Observation,
  inventory: Inventory,
  declared: EgressRules,
): readonly Seen[] {
  const sources = inventory.files.map(({ text }) => text ?? "").join("\n");
  const all = [
    ...judgeFiles(exercise, acts, inventory),
    ...judgeNetwork(exercise, acts, declared),
    ...judgeProcesses(exercise, acts, sources),
  ];
  const { entry } = exercise;
  const serious = all.filter(({ rule }) => !["SBX303", "SBX601"].includes(rule));
  const hook: readonly Seen[] =
    entry.phase === "install" && (serious.length > 0 || acts.connects.length > 0)
      ? [
          {
            rule: "SBX306",
            subject: [entry.name ?? ""],
            file: entry.file,
            what: `the hook ${entry.name ?? ""} acted: ${serious[0]?.what ?? "it used the network"}`,
            exercise,
            ...(entry.line === undefined ? {} : { place: { file: entry.file, line: entry.line } }),
          },
        ]
      : [];
  return [...all.map((each) => ({ ...each, exercise, file: entry.file })), ...hook];
}

function runOf({ id, entry, argv, result, keptRecord, startedAt, durationMs }: Exercise): ScanRun {
  const { events = 0, denied = 0, dropped = 0, sha256 } = result?.audit ?? {};
  const { phase, file, line, name } = entry;
  return {
    id,
    phase,
    entry: {
      file,
      ...(line === undefined ? {} : { line }),
      ...(name === undefined ? {} : { name: boundedText(name, bounds.name) }),
    },
    argv: argv.slice(0, bounds.arguments).map((part) => boundedText(part, bounds.argument)),
    outcome: result?.outcome ?? "not-started",
    ...(result?.limit === undefined ? {} : { limit: result.limit }),
    ...(result?.exitCode === undefined ? {} : { exitCode: result.exitCode }),
    ...(result?.signal === undefined ? {} : { signal: result.signal }),
    startedAt: startedAt.toISOString(),
    durationMs,
    ...(keptRecord === undefined || sha256 === undefined
      ? {}
      : { record: { file: boundedText(keptRecord, bounds.path), sha256, events, denied, dropped } }),
  };
}
