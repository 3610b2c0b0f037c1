import { SkillboxError } from "../errors.js";
import type { Policy } from "../policy/policy.js";
import type { RunResult } from "../result/run-result.js";
import { run, type RunRequest } from "../sandbox/run.js";
import type { ExecOptions } from "./exec-arguments.js";
import { policyFromOptions, workingDirectory } from "./exec-options.js";
import { denialTeller } from "./explain-denials.js";
import { statusOfError, statusOfResult } from "../sandbox/exit-status.js";
import { describeSystemError } from "../sandbox/system-error.js";
import { printError, printLine } from "./print-error.js";
import { openReport, type ReportFile } from "./report-file.js";
import { forwardSignals } from "./signals.js";

/** Runs a program; stdout is never ours to write to. Returns the exit status. */
export async function exec(argv: readonly string[], options: ExecOptions): Promise<number> {
  let report: ReportFile | undefined;
  try {
    const policy = await policyFromOptions(options);
    report = openReport(options.report, policy);
    const result = await runWith(argv, policy, options);
    explainEnd(result);
    report.write(result);
    return statusOfResult(result);
  } catch (cause) {
    const error = describeSystemError(cause);
    if (!(error instanceof SkillboxError)) throw error;
    printError(error);
    report ??= reportWithoutPolicy(options.report);
    report?.write({ error: describe(error) });
    return statusOfError(error);
  }
}

/** For the error that kept the report from being opened; where that was the report's own, there is nothing to open. */
function reportWithoutPolicy(file: string | undefined): ReportFile | undefined {
  try {
    return openReport(file, undefined);
  } catch {
    return undefined;
  }
}

async function runWith(argv: readonly string[], policy: Policy, options: ExecOptions): Promise<RunResult> {
  if (options.tty === true) return runInTerminal(argv, policy, options);
  let stop: () => void = () => undefined;
  try {
    return await run({
      ...requestOf(argv, policy, options),
      onStart: (program) => {
        stop = forwardSignals(program);
      },
    });
  } finally {
    stop();
  }
}

async function runInTerminal(
  argv: readonly string[],
  policy: Policy,
  options: ExecOptions,
): Promise<RunResult> {
  const { openCallerTerminal } = await import("./terminal.js");
  const terminal = openCallerTerminal();
  try {
    return await run({
      ...requestOf(argv, policy, options),
      terminal: terminal.request,
      onStart: (program) => {
        terminal.forwardSignals(program);
      },
    });
  } finally {
    await terminal.end();
  }
}

/** A raw terminal goes down a line, and not back to its beginning. */
function printRaw(line: string): void {
  printLine(`${line}\r`);
}

function requestOf(argv: readonly string[], policy: Policy, options: ExecOptions): RunRequest {
  return {
    policy,
    argv,
    cwd: workingDirectory(options),
    environment: process.env,
    auditFile: options.audit,
    commit: options.commit,
    onDenial:
      options.explain === true ? denialTeller(options.tty === true ? printRaw : printLine) : undefined,
    stdio,
  };
}

/** Only where output is capped do bytes pass through this process; until then its own streams stay untouched. */
const stdio = {
  stdin: { fd: 0 },
  stdout: { fd: 1, sink: () => process.stdout },
  stderr: { fd: 2, sink: () => process.stderr },
};

/** What ended the run, where it was not the program: one line, since the exit status alone does not tell. */
function explainEnd({ outcome, limit, limits }: RunResult): void {
  if (limit === undefined) return;
  const requested = limits.find(({ resource }) => resource === limit)?.requested ?? "";
  const what = outcome === "out-of-memory" ? "ran out of memory" : "was ended";
  printLine(`skillbox: the program ${what}: limit ${limit} ${requested} reached`);
}

function describe(error: SkillboxError): Record<string, unknown> {
  const { code, message, stage, operation, errno, hint } = error;
  return { code, message, stage, operation, errno, hint };
}
