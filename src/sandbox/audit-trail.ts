import { createHash } from "node:crypto";
import {
  closeSync,
  constants as fileFlags,
  createReadStream,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { auditTables } from "../audit/tables.js";
import { SkillboxError } from "../errors.js";
import type { AuditRecord, AuditTables, Binding, HeldCall } from "../native/binding.js";
import { isErrno } from "../plan/grants.js";
import type { AuditPolicy } from "../policy/policy.js";
import type { RunResult } from "../result/run-result.js";
import type { Arch } from "../seccomp/syscall-table.js";

export interface Supervision {
  readonly listener: number;
  /** Pid of PID 1. */
  readonly init: number;
  readonly view: Uint8Array;
  readonly verdicts: Uint8Array;
  /** Judges what leads outside; without it the kernel does. */
  readonly onHeld: ((call: HeldCall) => void) | undefined;
  /** Which one, where the sandbox runs several; 0: there is one. */
  readonly program: number;
}

export interface AuditFiles {
  /** Without one only a count is kept, or a file without a name. */
  readonly auditFile?: string | undefined;
  /** Whether {@link AuditTrail.read} is to work. */
  readonly keepRecord?: boolean | undefined;
}

/** The audit record of one run, from its first line to its last. */
export class AuditTrail {
  readonly #binding: Binding;
  readonly #record: AuditRecord;
  /** Somebody may read what is written; else events are only counted. */
  readonly isKept: boolean;
  readonly #file: string | undefined;
  readonly #stopOnFailure: boolean;
  readonly #closed = new AbortController();
  #tables: AuditTables | undefined;
  /** A descriptor to read from. */
  readonly #readable: number | undefined;

  private constructor(binding: Binding, runId: string, policy: AuditPolicy, files: AuditFiles) {
    const { auditFile: file, keepRecord = false } = files;
    this.#binding = binding;
    this.#file = file;
    this.#stopOnFailure = policy.onFailure === "stop";
    const fd = file !== undefined ? openRecordFile(file) : keepRecord ? openNamelessFile() : -1;
    this.isKept = fd >= 0;
    try {
      this.#record = binding.openRecord(fd, runId, policy.maxBytes, this.#stopOnFailure);
      if (keepRecord) this.#readable = openSync(`/proc/self/fd/${fd}`, "r");
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }

  /** Creates the file, or empties it. Throws ERR_AUDIT where that is not possible. */
  static open(binding: Binding, runId: string, policy: AuditPolicy, files: AuditFiles): AuditTrail {
    return new AuditTrail(binding, runId, policy, files);
  }

  /** Aborted when there will be no more events. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** The record from its beginning, for whoever closes the handle. Throws ERR_USAGE where none is kept, or no more. */
  async read(): Promise<FileHandle> {
    if (this.#readable !== undefined && !this.closed.aborted)
      return open(`/proc/self/fd/${this.#readable}`, "r");
    if (this.#readable !== undefined && this.#file !== undefined) return open(this.#file, "r");
    throw new SkillboxError(
      "ERR_USAGE",
      this.#readable === undefined
        ? "no events are kept of this run"
        : "the events of a run that is over are gone",
      { hint: this.#readable === undefined ? "ask for them: events: true" : "give it a file: auditFile" },
    );
  }

  /** Nothing is written after it. */
  close(): void {
    if (this.closed.aborted) return;
    this.#closed.abort();
    this.#record.release();
    if (this.#readable !== undefined) closeSync(this.#readable);
  }

  /** Appends an event of our own. Throws ERR_AUDIT where the record has failed and the policy says stop. */
  write(type: string, members: object, denied = false): void {
    const text = JSON.stringify({ type, ...members });
    if (!this.#record.write(text.slice(1, -1), denied)) this.assertWhole();
  }

  /**
   * The last event, with the record's own counts. To be called when the sandbox is dead and all that had something to say has
   * said it. Throws ERR_AUDIT as {@link write} does.
   */
  end({ changes, commit, ...result }: RunResult, more: object = {}): void {
    this.#record.settle();
    this.assertWhole();
    const { events, denied, dropped } = this.#record.status();
    const text = JSON.stringify({
      type: "run.end",
      ...more,
      result: {
        ...result,
        audit: { events: events + 1, denied, dropped },
        // Lists may be long; the record has a bound.
        changes: changes.length,
        commit: commit && { ...commit, refused: commit.refused.length },
      },
    });
    this.#record.close(text.slice(1, -1));
    this.assertWhole();
  }

  /** Appends an event whose members are JSON text already. */
  append(members: string, denied: boolean): void {
    // A record that has failed ends the run when it is closed; here there is nobody to tell.
    this.#record.write(members, denied);
  }

  /** To be called before {@link supervise}, which keeps a program waiting. */
  async prepare(arch: Arch): Promise<void> {
    this.#tables = await tablesOf(arch, this.#binding);
  }

  /** Takes a program's listener over. */
  supervise({ listener, init, view, verdicts, onHeld, program }: Supervision): void {
    if (this.#tables === undefined)
      throw new SkillboxError("ERR_INTERNAL", "the audit tables are not there yet");
    this.#record.supervise(listener, init, this.#tables, view, verdicts, onHeld, program);
  }

  /** To be called when the sandbox is dead: all that it did is in the record then. */
  drain(): void {
    this.#record.drain();
  }

  /** Throws ERR_AUDIT if events were lost and the policy does not put up with that. */
  assertWhole(): void {
    const { errno, full, dropped } = this.#record.status();
    if (!this.#stopOnFailure || (errno === 0 && !full)) return;
    const why = full ? "it has reached audit.maxBytes" : `it could not be written: ${errnoName(errno)}`;
    throw new SkillboxError(
      "ERR_AUDIT",
      `the audit record ${this.#file ?? ""} is incomplete: ${why}; the run was stopped`,
      {
        stage: "audit",
        ...(errno === 0 ? {} : { errno: errnoName(errno) }),
        hint: `${dropped} event(s) were dropped; give it room, or set \`audit: { onFailure: continue }\` to run on without a whole record`,
      },
    );
  }

  /** How much of the record is in its file. */
  get writtenBytes(): number {
    return this.#record.status().bytes;
  }

  /** How many there are by now. */
  counts(): Pick<RunResult["audit"], "events" | "denied" | "dropped"> {
    const { events, denied, dropped } = this.#record.status();
    return { events, denied, dropped };
  }

  async summary(): Promise<RunResult["audit"]> {
    return {
      ...this.counts(),
      file: this.#file,
      sha256: this.#file === undefined ? undefined : await hashFile(this.#file),
    };
  }
}

/** How calls are spelled is the same for every run. */
const tables = new Map<Arch, AuditTables>();

async function tablesOf(arch: Arch, binding: Binding): Promise<AuditTables> {
  const known = tables.get(arch);
  if (known !== undefined) return known;
  const loaded = binding.loadAuditTables(await auditTables(arch));
  tables.set(arch, loaded);
  return loaded;
}

function openRecordFile(file: string): number {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOCTTY, O_NONBLOCK } = fileFlags;
  let fd: number;
  try {
    // Without waiting: nobody may ever come to read from a FIFO.
    fd = openSync(file, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY | O_NONBLOCK, 0o600);
  } catch (cause) {
    // ENXIO: a FIFO that nobody reads from, or a socket (open(2)).
    if (isErrno(cause, "ENXIO")) throw notRegular(file);
    throw new SkillboxError("ERR_AUDIT", `the audit record cannot be written: ${file}: ${String(cause)}`, {
      stage: "audit",
      hint: "choose another file with --audit",
      cause,
    });
  }
  if (fstatSync(fd).isFile() || fstatSync(fd).isCharacterDevice()) return fd;
  closeSync(fd);
  throw notRegular(file);
}

function notRegular(file: string): SkillboxError {
  return new SkillboxError("ERR_AUDIT", `the audit record must be a regular file: ${file}`, {
    stage: "audit",
    hint: "choose another file with --audit",
  });
}

/** For a record that only this process reads; gone with it. */
function openNamelessFile(): number {
  const directory = mkdtempSync(join(tmpdir(), "skillbox-record-"));
  try {
    return openSync(join(directory, "record.jsonl"), "wx", 0o600);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Undefined for a device: /dev/full and /dev/null have no content, and the first has no end either. */
async function hashFile(file: string): Promise<string | undefined> {
  const stats = statSync(file);
  if (!stats.isFile()) return undefined;
  const hash = createHash("sha256");
  // Four turns of the thread pool take longer than to read what most records are.
  if (stats.size <= smallRecord) return hash.update(readFileSync(file)).digest("hex");
  const chunks: AsyncIterable<Buffer> = createReadStream(file);
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

const smallRecord = 256 * 1024;

function errnoName(number: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? String(number);
}
