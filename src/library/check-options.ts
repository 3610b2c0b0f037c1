import { constants } from "node:os";
import { SkillboxError } from "../errors.js";
import type { ExecOptions, KillOptions, PoolOptions, SandboxOptions, SessionOptions } from "./options.js";

/**
 * Options come from JavaScript, too, and from spread objects: one with a misspelt name would be a limit that does not hold, one of
 * another type an error in the middle of a launch. Each of these throws ERR_USAGE before anything is opened.
 */
interface Expectation {
  readonly is: (value: unknown) => boolean;
  /** Completes "cwd must be …". */
  readonly expected: string;
}

type Expectations<Options> = { readonly [Name in keyof Required<Options>]: Expectation };

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const has = (value: unknown, ...methods: readonly string[]): boolean =>
  isObject(value) && methods.every((name) => typeof Reflect.get(value, name) === "function");
const isStrings = (value: unknown): boolean =>
  Array.isArray(value) && value.every((part) => typeof part === "string");

const text: Expectation = { is: (value) => typeof value === "string", expected: "a string" };
const flag: Expectation = { is: (value) => typeof value === "boolean", expected: "true or false" };
const callback: Expectation = { is: (value) => typeof value === "function", expected: "a function" };
const limit: Expectation = {
  is: (value) => typeof value === "number" && Number.isFinite(value) && value > 0,
  expected: "a number above 0",
};
/** What says more of it looks at it where it is used. */
const elsewhere: Expectation = { is: () => true, expected: "" };
const policy: Expectation = {
  is: (value) => typeof value === "string" || isObject(value),
  expected: "the path of a policy file, or a policy as an object",
};
const environment: Expectation = {
  is: (value) =>
    isObject(value) &&
    !Array.isArray(value) &&
    Object.values(value).every((one) => one === undefined || typeof one === "string"),
  expected: "an object whose values are strings",
};
const abortSignal: Expectation = {
  is: (value) => has(value, "addEventListener", "removeEventListener"),
  expected: "an AbortSignal",
};

const streams = {
  terminal: { is: isObject, expected: "an object with rows and columns" },
  input: elsewhere,
  stdin: elsewhere,
  stdout: elsewhere,
  stderr: elsewhere,
  onStdout: callback,
  onStderr: callback,
  maxBuffer: elsewhere,
};

const common = {
  policy,
  ceiling: policy,
  cwd: text,
  env: environment,
  logger: {
    is: (value: unknown) => has(value, "info", "warn"),
    expected: "an object with info() and warn()",
  },
};

const programs = { is: isStrings, expected: "a list of names or paths" };
const recorded = { auditFile: text, events: flag };

const sandboxOptions: Expectations<SandboxOptions> = {
  ...common,
  ...recorded,
  ...streams,
  argv: elsewhere,
  commit: flag,
  signal: abortSignal,
};

const sessionOptions: Expectations<SessionOptions> = { ...common, ...recorded, programs };

const execOptions: Expectations<ExecOptions> = {
  ...streams,
  cwd: text,
  env: environment,
  signal: abortSignal,
  wallTimeMs: limit,
  cpuTimeMs: limit,
  outputBytes: limit,
};

const poolOptions: Expectations<PoolOptions> = { ...common, programs, size: elsewhere };

const killOptions: Expectations<KillOptions> = {
  graceMs: { is: (value) => value === 0 || limit.is(value), expected: "a number of milliseconds" },
};

export function checkSandboxOptions(options: unknown): void {
  check("sandbox()", options, sandboxOptions);
}

export function checkSessionOptions(options: unknown): void {
  check("sandbox.create()", options, sessionOptions);
}

export function checkPoolOptions(options: unknown): void {
  check("sandbox.pool()", options, poolOptions);
}

export function checkExecOptions(options: unknown): void {
  check("exec()", options, execOptions);
}

export function checkKill(signal: unknown, options: unknown): void {
  if (typeof signal !== "string" || !Object.hasOwn(constants.signals, signal))
    throw usage("signal", signal, 'a name of signal(7), as "SIGTERM"');
  check("kill()", options, killOptions);
}

function check(what: string, options: unknown, expectations: Readonly<Record<string, Expectation>>): void {
  if (!isObject(options)) throw usage(`the options of ${what}`, options, "an object");
  for (const [name, value] of Object.entries(options)) {
    const expectation = Object.hasOwn(expectations, name) ? expectations[name] : undefined;
    if (expectation === undefined) {
      throw new SkillboxError("ERR_USAGE", `${what} has no option ${JSON.stringify(name)}`, {
        hint: `it has ${Object.keys(expectations).join(", ")}`,
      });
    }
    if (value !== undefined && !expectation.is(value)) throw usage(name, value, expectation.expected);
  }
}

/** "maxBuffer must be a number of bytes, not -1" */
export function usage(name: string, value: unknown, expected: string): SkillboxError {
  return new SkillboxError("ERR_USAGE", `${name} must be ${expected}, not ${describe(value)}`);
}

function describe(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "string" || typeof value === "number" ? JSON.stringify(value) : typeof value;
}
