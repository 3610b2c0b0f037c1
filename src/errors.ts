/**
 * Why a sandbox could not do its work. A program that fails is a {@link RunResult}; this is for the
 * sandbox that fails. The codes are stable: match on `code`, show `message` and `hint` to people.
 */
export type SkillboxErrorCode =
  /** The policy text is wrong: syntax, unknown key, wrong type, impossible combination. */
  | "ERR_POLICY"
  /** A path that the policy or the command line names cannot be granted as asked. */
  | "ERR_GRANT"
  /** A limit that this host and caller cannot enforce. */
  | "ERR_LIMIT_UNSUPPORTED"
  /** The host lacks a kernel feature, or forbids it to this caller. */
  | "ERR_HOST"
  /** The sandbox could not be set up: `stage`, `operation` and `errno` say where. */
  | "ERR_LAUNCH"
  /** The program exists but cannot be executed. */
  | "ERR_NOT_EXECUTABLE"
  /** The program was not found inside the sandbox. */
  | "ERR_NOT_FOUND"
  /** A file of the sandbox could not be read or written: `errno` says why. */
  | "ERR_FILE"
  /** A stream or callback of the caller's, for the program's input or output, failed: `cause` says how. */
  | "ERR_STREAM"
  /** The audit record could not be written. */
  | "ERR_AUDIT"
  /** Wrong arguments, or a call that does not fit the object's state. */
  | "ERR_USAGE"
  /** The supervisor and its native part disagree; always a bug of skillbox. */
  | "ERR_INTERNAL";

export interface SkillboxErrorOptions {
  readonly stage?: string;
  readonly operation?: string;
  /** Symbolic, as in errno(3): "EPERM". */
  readonly errno?: string;
  /** What to do about it, as one imperative sentence or command. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class SkillboxError extends Error {
  override readonly name = "SkillboxError";
  readonly code: SkillboxErrorCode;
  readonly stage: string | undefined;
  readonly operation: string | undefined;
  readonly errno: string | undefined;
  readonly hint: string | undefined;

  constructor(code: SkillboxErrorCode, message: string, options: SkillboxErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.stage = options.stage;
    this.operation = options.operation;
    this.errno = options.errno;
    this.hint = options.hint;
  }
}
