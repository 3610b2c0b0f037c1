import { sandbox as runSandbox } from "./library/sandbox.js";
import type { PoolOptions, SessionOptions } from "./library/options.js";
import { SandboxPool } from "./library/pool.js";
import { SandboxSession } from "./library/session.js";

export { SkillboxError, type SkillboxErrorCode } from "./errors.js";
export type { AuditEvent } from "./audit/event.js";
export type { EventLogger } from "./audit/logger-bridge.js";
export type {
  ExecOptions,
  KillOptions,
  OutputOption,
  PoolOptions,
  ReadFileOptions,
  SandboxOptions,
  SessionOptions,
  StdinOption,
  StreamOptions,
  TerminalSize,
} from "./library/options.js";
export type { ProgramResult, SandboxRun } from "./library/run.js";
export type { SandboxPool } from "./library/pool.js";
export type { SandboxSession } from "./library/session.js";
export type { PolicyInput } from "./policy/schema.js";
export type { CommitResult, EnforcedLimit, Outcome, OverlayChange, RunResult } from "./result/run-result.js";

/**
 * `sandbox({ policy, argv })` runs one program in a sandbox of its own; `sandbox.create({ policy })` makes one that is kept
 * for many, `sandbox.pool({ policy, size })` many that are used once.
 */
export const sandbox = Object.assign(runSandbox, {
  /** Rejects with a {@link SkillboxError} where the sandbox does not come up; nothing is left of it then. */
  create: async (options: SessionOptions = {}): Promise<SandboxSession> => SandboxSession.create(options),
  /** Keeps sandboxes ready for programs that are to start at once, each in one of its own. Rejects as `create` does. */
  pool: async (options: PoolOptions): Promise<SandboxPool> => SandboxPool.create(options),
});
