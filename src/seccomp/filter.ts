import { SkillboxError } from "../errors.js";
import { action } from "./actions.js";
import { assemble } from "./assemble.js";
import { compose, refusalsOnRecord, root, unknownCallAction } from "./compose.js";
import { returnedActions, type Decision } from "./decision.js";
import { instructionBytes, maxInstructions } from "./instruction.js";
import type { NotifyRule, SeccompProfile, SeccompRule } from "./profile.js";
import type { Arch } from "./syscall-table.js";
import { verify } from "./verify.js";

export interface FilterInput {
  readonly arch: Arch;
  readonly profile: SeccompProfile;
  /** What no profile can re-allow: for each call the stricter of the two answers holds. */
  readonly baseDenials: readonly SeccompRule[];
  /** Calls that go on record when they are allowed. */
  readonly notify: readonly NotifyRule[];
  /** Put refused calls on record too; see {@link CompiledFilter.verdicts}. */
  readonly notifyDenials?: boolean;
}

export interface CompiledFilter {
  /** What the program gets: struct sock_filter[], little endian. */
  readonly program: Uint8Array;
  /**
   * The same decisions, with ERRNO where `program` asks the supervisor because of `notifyDenials`. The supervisor runs it on
   * the seccomp_data of a notification, which is the kernel's copy and out of the program's reach. ERRNO: answer with that errno
   * (0: with the value 0), never with CONTINUE. Anything else: the call is allowed, on record.
   */
  readonly verdicts: Uint8Array;
  /** Length of `program`. */
  readonly instructions: number;
  /** Whether `program` can return SECCOMP_RET_USER_NOTIF and so needs a listener. */
  readonly notifies: boolean;
}

/**
 * Compiles a profile, the base denials and the audit into one filter. It has to be one: of two stacked filters the kernel takes
 * the stricter answer, and ERRNO outranks USER_NOTIF.
 *
 * @throws SkillboxError ERR_POLICY when the program would be longer than the kernel accepts.
 */
export function compileFilter(input: FilterInput): CompiledFilter {
  const composition = compose({ ...input, unknownCalls: unknownCallAction(input.profile) });
  const verdictRoot = root(composition);
  const verdicts = assembled(verdictRoot, input.profile);
  if (input.notifyDenials !== true) return { ...described(verdicts, verdictRoot), verdicts };
  const programRoot = root(refusalsOnRecord(composition));
  return { ...described(assembled(programRoot, input.profile), programRoot), verdicts };
}

/**
 * A profile alone, without denials or audit: what libseccomp would make of it, but for foreign architectures and x32, which are
 * always killed.
 *
 * @throws SkillboxError ERR_POLICY when the program would be longer than the kernel accepts.
 */
export function compileProfile(arch: Arch, profile: SeccompProfile): Uint8Array {
  const unknownCalls = profile.defaultAction;
  return assembled(root(compose({ arch, profile, baseDenials: [], notify: [], unknownCalls })), profile);
}

function described(program: Uint8Array, decision: Decision): Omit<CompiledFilter, "verdicts"> {
  return {
    program,
    instructions: program.byteLength / instructionBytes,
    notifies: returnedActions(decision).includes(action.notify),
  };
}

function assembled(decision: Decision, { file }: SeccompProfile): Uint8Array {
  const program = assemble(decision);
  const length = program.byteLength / instructionBytes;
  if (length > maxInstructions) {
    throw new SkillboxError(
      "ERR_POLICY",
      `${file ?? "seccomp profile"}: error: too many rules: the filter would have ${String(length)} instructions, the kernel takes ${String(maxInstructions)}`,
      { hint: "Drop conditions, or let several rules compare the same argument with the same values." },
    );
  }
  verify(program);
  return program;
}
