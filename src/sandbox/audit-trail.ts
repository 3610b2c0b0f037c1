import { createHash } from "node:crypto";
import { closeSync, createReadStream, fstatSync, openSync, statSync } from "node:fs";
import { constants } from "node:os";
import { encodeAuditTables } from "../audit/encode-tables.js";
import { SkillboxError } from "../errors.js";
import type { AuditRecord, AuditTables, Binding, HeldCall } from "../native/binding.js";
import type { AuditPolicy } from "../policy/policy.js";
import type { RunResult } from "../result/run-result.js";
import type { Arch } from "../seccomp/syscall-table.js";

export interface Supervision {
  readonly listener: number;
  /** Pid of PID 1. */
  readonly init: number;
  readonly arch: Arch;
  readonly view: Uint8Array;
  readonly verdicts: Uint8Array;
  /** Judges what leads outside; without it the kernel does. */
  readonly onHeld: ((call: HeldCall) => void) | undefined;
}

/** The audit record of one run, from its first line to its last. */
export class AuditTrail {
  readonly #binding: Binding;
  readonly #record: AuditRecord;
  readonly #file: string | undefined;
  readonly #stopOnFailure: boolean;
  #tables: AuditTables | undefined;

  private constructor(binding: Binding, runId: string, file: string | undefined, policy: AuditPolicy) {
    this.#binding = binding;
    this.#file = file;
    this.#stopOnFailure = policy.onFailure === "stop";
    const fd = file === undefined ? -1 : openRecordFile(file);
    this.#record = binding.openRecord(fd, runId, policy.maxBytes, this.#stopOnFailure);
  }

  /** Creates the file, or empties it. Throws ERR_AUDIT where that is not possible. */
  static open(binding: Binding, runId: string, file: string | undefined, policy: AuditPolicy): AuditTrail {
    return new AuditTrail(binding, runId, file, policy);
  }

  /** Appends an event of our own. Throws ERR_AUDIT where the record has failed and the policy says stop. */
  write(type: string, members: object, denied = false): void {
    const text = JSON.stringify({ type, ...members });
    if (!this.#record.write(text.slice(1, -1), denied)) this.assertWhole();
  }

  /** Appends an event whose members are JSON text already. */
  append(members: string, denied: boolean): void {
    // A record that has failed ends the run when it is closed; here there is nobody to tell.
    this.#record.write(members, denied);
  }

  /** Takes a program's listener over. */
  supervise({ listener, init, arch, view, verdicts, onHeld }: Supervision): void {
    this.#tables ??= this.#binding.loadAuditTables(encodeAuditTables(arch));
    this.#record.supervise(listener, init, this.#tables, view, verdicts, onHeld);
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

  async summary(): Promise<RunResult["audit"]> {
    const { events, denied, dropped } = this.#record.status();
    return {
      events,
      denied,
      dropped,
      file: this.#file,
      sha256: this.#file === undefined ? undefined : await hashFile(this.#file),
    };
  }
}

function openRecordFile(file: string): number {
  let fd: number;
  try {
    fd = openSync(file, "w", 0o600);
  } catch (cause) {
    throw new SkillboxError("ERR_AUDIT", `the audit record cannot be written: ${file}: ${String(cause)}`, {
      stage: "audit",
      hint: "choose another file with --audit",
      cause,
    });
  }
  if (fstatSync(fd).isFile() || fstatSync(fd).isCharacterDevice()) return fd;
  closeSync(fd);
  throw new SkillboxError("ERR_AUDIT", `the audit record must be a regular file: ${file}`, {
    stage: "audit",
    hint: "choose another file with --audit",
  });
}

/** Undefined for a device: /dev/full and /dev/null have no content, and the first has no end either. */
async function hashFile(file: string): Promise<string | undefined> {
  if (!statSync(file).isFile()) return undefined;
  const hash = createHash("sha256");
  const chunks: AsyncIterable<Buffer> = createReadStream(file);
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest("hex");
}

function errnoName(number: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? String(number);
}
