import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type RecordedEvent, readEvent } from "../audit/read-event.js";
import { SkillboxError } from "../errors.js";
import { startingPolicy } from "../policy/default.js";
import { Captured } from "../library/captured.js";
import type { Persona } from "../plan/persona.js";
import type { PathGrant, Policy } from "../policy/policy.js";
import type { RunResult } from "../result/run-result.js";
import { run } from "../sandbox/run.js";
import { layBait, type Bait } from "./bait.js";
import type { EntryPoint } from "./entry-points.js";
import type { Authority } from "./sinkhole/authority.js";
import type { Payload, PayloadLog, Wire } from "./sinkhole/payload.js";
import { SinkholeServer } from "./sinkhole/sinkhole.js";

/**
 * What a program finds: somebody's machine. Names of skillbox's, or of a temporary directory, would tell it that it is watched.
 */
const persona: Persona = { user: "alice", home: "/home/alice", hostname: "alice-t14", variables: {} };
const kitFolder = "/opt/tools";

export interface ExerciseRequest {
  readonly id: string;
  readonly entry: EntryPoint;
  /** Its real path: shown as a copy-on-write copy. */
  readonly skill: string;
  readonly name: string;
  /** Private to this run: record, decoys. */
  readonly folder: string;
  /** Of the scan: a folder with the harness, and the authority's certificate as ca.pem. */
  readonly kit: string;
  readonly authority: Authority;
  /** Further paths that the skill's policy lets it see. */
  readonly reads: readonly PathGrant[];
  readonly timeoutMs: number;
  /** Where the record is to stay. */
  readonly keptRecord: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What the harness says from inside the interpreter: which line of the skill did it. The skill could forge it. */
export interface Note {
  readonly what: string;
  readonly place: { readonly file: string; readonly line: number } | undefined;
  readonly more: Readonly<Record<string, unknown>>;
}

export interface Exercise {
  readonly id: string;
  readonly entry: EntryPoint;
  readonly argv: readonly string[];
  readonly startedAt: Date;
  readonly durationMs: number;
  /** Or why there is none. */
  readonly result: RunResult | undefined;
  readonly failure: string | undefined;
  readonly events: readonly RecordedEvent[];
  /** Where the record stays, if it does. */
  readonly keptRecord: string | undefined;
  readonly notes: readonly Note[];
  readonly output: string;
  readonly payloads: readonly Payload[];
  readonly wires: readonly Wire[];
  readonly sealed: PayloadLog["sealed"];
  readonly bait: Bait;
  /** In what the sinkhole handed out as code. */
  readonly marker: string;
  readonly cwd: string;
}

const mostOutput = 1024 * 1024;
const mostEvents = 200_000;

/** Runs one entry point in a sandbox of its own, where nothing leads out and everything answers. */
export async function exercise(request: ExerciseRequest): Promise<Exercise> {
  const { id, entry, skill, name, folder, kit, authority, signal } = request;
  const home = join(folder, "home");
  mkdirSync(home, { recursive: true });
  const bait = layBait(home, persona.home);
  const cwd = `/workspace/${name}`;
  const record = request.keptRecord ?? join(folder, "record.jsonl");
  const mark = `\x1e${id}-${bait.decoys[0]?.token.slice(0, 8) ?? ""}`;
  const argv = argvOf(entry, mark);
  const sinkhole = await SinkholeServer.open(authority);
  const output = new Captured(mostOutput, undefined);
  const startedAt = new Date();
  const begun = performance.now();
  let result: RunResult | undefined;
  let failure: string | undefined;
  try {
    result = await run({
      policy: scanPolicy(request, bait),
      argv,
      cwd: skill,
      persona,
      shown: [
        { access: "overlay", source: skill, target: cwd },
        { access: "overlay", source: home, target: persona.home },
        { access: "read", source: kit, target: kitFolder },
      ],
      environment: { PATH: process.env["PATH"], HOME: process.env["HOME"] },
      auditFile: record,
      sinkhole,
      signal,
      stdio: {
        stdin: { source: emptyInput() },
        stdout: { sink: () => output },
        stderr: { sink: () => output },
      },
    });
  } catch (error) {
    if (!(error instanceof SkillboxError)) throw error;
    failure = `${error.code}: ${error.message}`;
  } finally {
    await sinkhole.close();
  }
  const { notes, text } = readNotes(output.text(), mark);
  return {
    id,
    entry,
    argv,
    startedAt,
    durationMs: performance.now() - begun,
    result,
    failure,
    events: readRecord(record),
    keptRecord: request.keptRecord,
    notes,
    output: text,
    payloads: sinkhole.log.payloads,
    wires: sinkhole.log.wires,
    sealed: sinkhole.log.sealed,
    bait,
    marker: sinkhole.marker,
    cwd,
  };
}

function argvOf({ language, phase, target }: EntryPoint, mark: string): readonly string[] {
  if (language === "python") return ["python3", "-B", `${kitFolder}/python.py`, mark, phase, ...target];
  if (language === "node") return ["node", `${kitFolder}/node.cjs`, mark, phase, ...target];
  return ["bash", `${kitFolder}/shell.sh`, mark, ...target];
}

function scanPolicy({ reads, timeoutMs }: ExerciseRequest, bait: Bait): Policy {
  const start = startingPolicy();
  const limit = (value: number, written: string, bestEffort = false) => ({ value, written, bestEffort });
  const certificate = `${kitFolder}/ca.pem`;
  return {
    ...start,
    name: "skillbox scan",
    filesystem: {
      ...start.filesystem,
      read: reads,
      tmpBytes: 64 * 1024 ** 2,
    },
    network: { ...start.network, egress: [{ to: ["**"], except: [], ports: [] }] },
    resources: {
      memory: limit(512 * 1024 ** 2, "512MiB", true),
      pids: limit(128, "128"),
      wallTime: limit(timeoutMs, `${timeoutMs}ms`),
      cpuTime: limit(timeoutMs, `${timeoutMs}ms`),
      openFiles: limit(1024, "1024"),
      fileSize: limit(64 * 1024 ** 2, "64MiB"),
      output: limit(mostOutput, "1MiB"),
    },
    environment: {
      pass: [],
      set: {
        ...bait.environment,
        LANG: "C.UTF-8",
        SSL_CERT_FILE: certificate,
        REQUESTS_CA_BUNDLE: certificate,
        NODE_EXTRA_CA_CERTS: certificate,
        CURL_CA_BUNDLE: certificate,
        GIT_SSL_CAINFO: certificate,
        PIP_CERT: certificate,
        GIT_TERMINAL_PROMPT: "0",
        PIP_NO_INPUT: "1",
      },
    },
    audit: { level: "files", maxBytes: 64 * 1024 ** 2, onFailure: "continue" },
  };
}

async function* emptyInput(): AsyncGenerator<Uint8Array> {
  // Its end alone.
}

function readNotes(output: string, mark: string): { readonly notes: readonly Note[]; readonly text: string } {
  const notes: Note[] = [];
  const rest: string[] = [];
  for (const line of output.split("\n")) {
    const at = line.indexOf(mark);
    if (at < 0) {
      rest.push(line);
      continue;
    }
    rest.push(line.slice(0, at));
    const note = readNote(line.slice(at + mark.length));
    if (note !== undefined) notes.push(note);
  }
  return { notes, text: rest.join("\n") };
}

/** Undefined for a line that something else was written into. */
function readNote(json: string): Note | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || !("what" in value)) return undefined;
  const more: Record<string, unknown> = { ...value };
  const where: readonly unknown[] = Array.isArray(more["place"]) ? more["place"] : [];
  const [file, line] = where;
  const place = typeof file === "string" && typeof line === "number" ? { file, line } : undefined;
  return { what: String(value.what), place, more };
}

function readRecord(file: string): readonly RecordedEvent[] {
  const events: RecordedEvent[] = [];
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return events; // the sandbox was never set up: `failure` says why
  }
  for (const line of text.split("\n")) {
    if (line === "" || events.length >= mostEvents) continue;
    const read = readEvent(Buffer.from(line));
    if ("event" in read) events.push(read.event);
  }
  return events;
}
