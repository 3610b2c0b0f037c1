import { createHash } from "node:crypto";
import { SkillboxError } from "../errors.js";
import { action, actionData, isErrno, strictness } from "./actions.js";
import { assemble } from "./assemble.js";
import { firstMatch } from "./conditions.js";
import { DecisionGraph, type Decision } from "./decision.js";
import { dispatch } from "./dispatch.js";
import { instructionBytes, maxInstructions } from "./instruction.js";
import type { ArgCondition, NotifyRule, SeccompProfile, SeccompRule } from "./profile.js";
import { simplify } from "./simplify.js";
import { syscallNumber, syscalls, type Arch } from "./syscall-table.js";
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
   * The same decisions with ERRNO where `program` asks the supervisor because of `notifyDenials`. The supervisor runs it on the
   * seccomp_data of a notification (a copy made by the kernel, which the program cannot change). ERRNO: answer with that
   * errno (0: return 0) and never CONTINUE. Anything else: allowed, on record.
   */
  readonly verdicts: Uint8Array;
  /** Length of `program`. */
  readonly instructions: number;
  /** Whether `program` can return SECCOMP_RET_USER_NOTIF and so needs a listener. */
  readonly notifies: boolean;
}

/**
 * Compiles a profile, the base denials and the audit into one filter. It has to be one: of two stacked filters the kernel takes the
 * stricter answer, and ERRNO outranks USER_NOTIF.
 *
 * @throws SkillboxError ERR_POLICY when the program would be longer than the kernel accepts.
 */
export function compileFilter(input: FilterInput): CompiledFilter {
  const verdicts = compile(input, false);
  const program = input.notifyDenials === true ? compile(input, true) : verdicts;
  return { ...program, verdicts: verdicts.program };
}

/** A profile alone, without denials or audit: what libseccomp would make of it. */
export function compileProfile(arch: Arch, profile: SeccompProfile): Uint8Array {
  return finish(
    dispatchProfile(
      new DecisionGraph(),
      { arch, profile, baseDenials: [], notify: [] },
      profile.defaultAction,
      false,
    ),
  );
}

/** A key for caching: the sha256 of all that {@link compileFilter} depends on but its own code. */
export function filterKey(input: FilterInput): string {
  const text = JSON.stringify(input, (_key, value: unknown) =>
    typeof value === "bigint" ? `${String(value)}n` : value,
  );
  return createHash("sha256").update(text).digest("hex");
}

interface Program {
  readonly program: Uint8Array;
  readonly instructions: number;
  readonly notifies: boolean;
}

function compile(input: FilterInput, denialsNotify: boolean): Program {
  const graph = new DecisionGraph();
  // A number no table knows has no name that a rule could use: whatever a newer kernel does under it, nobody has judged it.
  const unknown = stricter(action.errno(enosys), input.profile.defaultAction);
  const root = dispatchProfile(graph, input, unknown, denialsNotify);
  const program = finish(root);
  return {
    program,
    instructions: program.byteLength / instructionBytes,
    notifies: reaches(root, action.notify),
  };
}

const enosys = 38;

function stricter(one: number, other: number): number {
  return strictness(one) <= strictness(other) ? one : other;
}

function dispatchProfile(
  graph: DecisionGraph,
  input: FilterInput,
  unknown: number,
  denialsNotify: boolean,
): Decision {
  const { arch, profile } = input;
  const profileRules = byNumber(
    arch,
    profile.rules.filter((rule) => rule.action !== profile.defaultAction),
  );
  const denials = byNumber(arch, input.baseDenials);
  const notify = byNumber(arch, input.notify);
  const simplified = new Map<Decision, Decision>();
  const decisions = new Map<number, Decision>();
  for (const number of syscalls(arch).values()) {
    let decision = decide(graph, profileRules.get(number) ?? [], profile.defaultAction);
    decision = deny(graph, decision, denials.get(number) ?? []);
    decision = record(graph, decision, notify.get(number) ?? []);
    if (denialsNotify) decision = graph.mapReturns(decision, (value) => graph.return(onRecord(value)));
    let simple = simplified.get(decision);
    if (simple === undefined) {
      simple = simplify(graph, decision);
      simplified.set(decision, simple);
    }
    decisions.set(number, simple);
  }
  return dispatch(graph, arch, decisions, graph.return(unknown));
}

interface ForNames {
  readonly names: readonly string[];
}

/** Names that only other architectures have fall away here. */
function byNumber<Rule extends ForNames>(arch: Arch, rules: readonly Rule[]): Map<number, Rule[]> {
  const table = new Map<number, Rule[]>();
  for (const rule of rules) {
    for (const name of rule.names) {
      const number = syscallNumber(arch, name);
      if (number === undefined) continue;
      const known = table.get(number);
      if (known === undefined) table.set(number, [rule]);
      else known.push(rule);
    }
  }
  return table;
}

/** The rules of one call, by the semantics that {@link SeccompProfile} states. */
function decide(graph: DecisionGraph, rules: readonly SeccompRule[], defaultAction: number): Decision {
  const unconditional = rules.find((rule) => rule.args.length === 0);
  if (unconditional !== undefined) return graph.return(unconditional.action);
  const strictestFirst = [...rules].sort((a, b) => strictness(a.action) - strictness(b.action));
  return firstMatch(
    graph,
    strictestFirst.map((rule) => bind(graph, rule)),
    graph.return(defaultAction),
  );
}

function bind(graph: DecisionGraph, rule: SeccompRule): { args: readonly ArgCondition[]; outcome: Decision } {
  return { args: rule.args, outcome: graph.return(rule.action) };
}

/** Where a denial holds, its action, unless the profile's own is stricter still. */
function deny(graph: DecisionGraph, decision: Decision, denials: readonly SeccompRule[]): Decision {
  if (denials.length === 0) return decision;
  const bound = denials.map((rule) => bind(graph, rule));
  const weakest = Math.max(...denials.map((rule) => strictness(rule.action)));
  const outranks = (value: number): boolean => strictness(value) < weakest;
  if (!returns(decision).some(outranks)) return firstMatch(graph, bound, decision);
  return graph.mapReturns(decision, (value) =>
    outranks(value) ? graph.return(value) : firstMatch(graph, bound, graph.return(value)),
  );
}

/** Where a call is allowed and a notify rule holds, the supervisor is asked. */
function record(graph: DecisionGraph, decision: Decision, rules: readonly NotifyRule[]): Decision {
  if (rules.length === 0) return decision;
  const outcome = graph.return(action.notify);
  const bound = rules.map((rule) => ({ args: rule.args ?? [], outcome }));
  return graph.mapReturns(decision, (value) =>
    value === action.allow || value === action.log
      ? firstMatch(graph, bound, graph.return(value))
      : graph.return(value),
  );
}

/**
 * A refused call as the supervisor sees it. ENOSYS stays with the kernel: its caller is asking whether the call exists (libc tries
 * clone3, then clone), and a signal that interrupts a notification would give it EINTR for an answer.
 */
function onRecord(value: number): number {
  return isErrno(value) && actionData(value) !== enosys ? action.notify : value;
}

function returns(root: Decision): number[] {
  const found = new Set<number>();
  const seen = new Set<Decision>();
  const visit = (node: Decision): void => {
    if (seen.has(node)) return;
    seen.add(node);
    if (node.kind === "return") {
      found.add(node.action);
    } else {
      visit(node.yes);
      visit(node.no);
    }
  };
  visit(root);
  return [...found];
}

function reaches(root: Decision, value: number): boolean {
  return returns(root).includes(value);
}

function finish(root: Decision): Uint8Array {
  const program = assemble(root);
  const length = program.byteLength / instructionBytes;
  if (length > maxInstructions) {
    throw new SkillboxError(
      "ERR_POLICY",
      `the seccomp profile has too many rules: its filter needs ${String(length)} instructions, the kernel takes ${String(maxInstructions)}`,
      {
        hint: "Merge rules that compare the same argument, or drop conditions that the base denials make anyway.",
      },
    );
  }
  verify(program);
  return program;
}
