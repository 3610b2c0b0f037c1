import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ArgCondition, SeccompProfile } from "../../src/seccomp/profile.js";
import { auditArch, syscallNumber, type Arch } from "../../src/seccomp/syscall-table.js";

/** libseccomp's SCMP_FLTATR_CTL_OPTIMIZE: by priority, one after the other; or a binary tree. */
export type Layout = "linear" | "tree";

export interface OracleInput {
  readonly arch: Arch;
  readonly layout: Layout;
  readonly profile: SeccompProfile;
}

/** What libseccomp makes of each profile: its program, or undefined where it refuses a rule (EEXIST: it sees a conflict). */
export class Libseccomp {
  readonly #folder = mkdtempSync(path.join(tmpdir(), "skillbox-libseccomp-"));
  readonly #program = path.join(this.#folder, "oracle");

  /** Compiles the oracle. @throws when libseccomp-dev is not installed. */
  constructor() {
    const source = path.resolve("test/seccomp/libseccomp-oracle.c");
    const built = spawnSync(
      "cc",
      ["-O1", "-Wall", "-Wextra", "-Werror", "-o", this.#program, source, "-lseccomp"],
      {
        encoding: "utf8",
      },
    );
    if (built.status !== 0)
      throw new Error(`cc cannot build the oracle (libseccomp-dev installed?):\n${built.stderr}`);
  }

  build(inputs: readonly OracleInput[]): (Uint8Array | undefined)[] {
    const output = execFileSync(this.#program, { input: inputs.map(describe).join(""), maxBuffer: 1 << 30 });
    const programs: (Uint8Array | undefined)[] = [];
    for (let at = 0; at < output.byteLength;) {
      const length = output.readUInt32LE(at);
      at += 4;
      programs.push(length === 0 ? undefined : new Uint8Array(output.subarray(at, at + length)));
      at += length === 0 ? 4 : length;
    }
    return programs;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

function describe({ arch, layout, profile }: OracleInput): string {
  const lines = [`profile ${auditArch[arch]} ${layout === "tree" ? 2 : 1} ${profile.defaultAction}`];
  for (const rule of profile.rules) {
    // Like runc, which libseccomp would answer with EACCES.
    if (rule.action === profile.defaultAction) continue;
    const conditions = rule.args.map(condition).join(" ");
    for (const name of rule.names) {
      if (syscallNumber(arch, name) === undefined) continue;
      lines.push(`rule ${rule.action} ${name} ${rule.args.length} ${conditions}`);
    }
  }
  return `${lines.join("\n")}\nend\n`;
}

/** enum scmp_compare, seccomp.h. */
const compareNumbers = { NE: 1, LT: 2, LE: 3, EQ: 4, GE: 5, GT: 6 } as const;
const maskedEqual = 7;

function condition({ arg, op, value, mask }: ArgCondition): string {
  if (mask === undefined) return `${arg} ${compareNumbers[op]} ${value} 0`;
  if (op !== "EQ") throw new Error(`libseccomp has no masked ${op}`);
  return `${arg} ${maskedEqual} ${mask} ${value}`;
}
