import type { SandboxSession } from "../library/session.js";
import { statusOfResult } from "../sandbox/exit-status.js";
import { shellCommand } from "./shell-command.js";

/** `Shell` of the OpenAI Agents SDK, for its shellTool (@openai/agents-core, shell.d.ts), structurally. */
export interface OpenAiShell {
  run(action: OpenAiShellAction): Promise<OpenAiShellResult>;
}

export interface OpenAiShellAction {
  /** Command lines of a shell, one after another. */
  readonly commands: string[];
  /** For each of them. */
  readonly timeoutMs?: number;
  /** Characters of stdout and of stderr. */
  readonly maxOutputLength?: number;
}

export interface OpenAiShellResult {
  output: OpenAiShellOutput[];
  maxOutputLength?: number;
}

export interface OpenAiShellOutput {
  stdout: string;
  stderr: string;
  outcome: { type: "timeout" } | { type: "exit"; exitCode: number };
}

/** A kept sandbox as the shell of shellTool({ shell }). It stays the caller's to close. */
export function openAiShell(session: SandboxSession): OpenAiShell {
  return {
    run: async ({ commands, timeoutMs, maxOutputLength }) => {
      const output: OpenAiShellOutput[] = [];
      for (const command of commands) {
        output.push(await runOne(session, command, timeoutMs, maxOutputLength));
      }
      return maxOutputLength === undefined ? { output } : { output, maxOutputLength };
    },
  };
}

async function runOne(
  session: SandboxSession,
  command: string,
  timeoutMs: number | undefined,
  length: number | undefined,
): Promise<OpenAiShellOutput> {
  const limits = timeoutMs === undefined ? {} : { wallTimeMs: timeoutMs };
  const result = await session.exec(shellCommand(command), limits);
  return {
    stdout: result.stdout.slice(0, length),
    stderr: result.stderr.slice(0, length),
    outcome:
      result.outcome === "timed-out"
        ? { type: "timeout" }
        : { type: "exit", exitCode: statusOfResult(result) },
  };
}
