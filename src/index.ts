import { createWriteStream } from "node:fs";
import { resolve } from "node:path";
import type { Writable } from "node:stream";
import { defaultPolicy } from "./policy/default.js";
import { loadPolicyFile, policyFromObject } from "./policy/load.js";
import type { Policy } from "./policy/policy.js";
import type { PolicyInput } from "./policy/schema.js";
import type { RunResult } from "./result/run-result.js";
import { run } from "./sandbox/run.js";

export { SkillboxError, type SkillboxErrorCode } from "./errors.js";
export type { PolicyInput } from "./policy/schema.js";
export type { CommitResult, EnforcedLimit, Outcome, OverlayChange, RunResult } from "./result/run-result.js";

export interface SandboxOptions {
  /** A policy file, or a policy as an object of the same shape. Default: no network, `cwd` read-only. */
  readonly policy?: string | PolicyInput;
  /** The program and its arguments. */
  readonly argv: readonly string[];
  /** Where the program starts, and what relative paths of a policy object are relative to. Default: the process's. */
  readonly cwd?: string;
  /** Variables that the policy may pass on. Default: process.env. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Descriptors of this process that become the program's 0, 1 and 2. Default: 0, 1 and 2. */
  readonly stdio?: readonly [number, number, number];
  /** Where the audit record goes, as JSON Lines; without one only refusals are counted. */
  readonly auditFile?: string;
  /** Apply what the program changed in overlays to the host, if it ends with status 0. */
  readonly commit?: boolean;
  /** Ends the run with outcome "killed". */
  readonly signal?: AbortSignal;
}

/**
 * Runs one program in a sandbox of its own. A program that fails is a {@link RunResult}; a sandbox that fails rejects with a
 * {@link SkillboxError}, and nothing was run or nothing of it is left.
 */
export async function sandbox(options: SandboxOptions): Promise<RunResult> {
  const cwd = resolve(options.cwd ?? ".");
  const [stdin, stdout, stderr] = options.stdio ?? [0, 1, 2];
  return await run({
    policy: policyOf(options.policy, cwd),
    argv: options.argv,
    cwd,
    environment: options.env ?? process.env,
    stdio: { stdin, stdout, stderr, sinks: { stdout: () => sinkOf(stdout), stderr: () => sinkOf(stderr) } },
    auditFile: options.auditFile,
    commit: options.commit,
    signal: options.signal,
  });
}

/** Where capped output goes. The descriptor stays the caller's. */
function sinkOf(fd: number): Writable {
  return createWriteStream("", { fd, autoClose: false });
}

function policyOf(policy: SandboxOptions["policy"], cwd: string): Policy {
  if (policy === undefined) return defaultPolicy();
  return typeof policy === "string"
    ? loadPolicyFile(policy).policy
    : policyFromObject(policy, { baseDirectory: cwd });
}
