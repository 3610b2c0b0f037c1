import type { SandboxSession } from "../library/session.js";
import { statusOfResult } from "../sandbox/exit-status.js";
import { shellCommand } from "./shell-command.js";

/** `Experimental_SandboxSession` of the AI SDK (https://ai-sdk.dev/docs/reference/ai-sdk-core/sandbox), structurally. */
export interface AiSdkSandbox {
  /** For the model: what the commands meet. */
  readonly description: string;
  readonly run: (options: AiSdkCommand) => Promise<AiSdkCommandResult>;
  /** What `run` was called before AI SDK 7. */
  readonly executeCommand: (options: AiSdkCommand) => Promise<AiSdkCommandResult>;
}

export interface AiSdkCommand {
  /** A shell's command line. */
  readonly command: string;
  readonly workingDirectory?: string;
  readonly env?: Record<string, string>;
  readonly abortSignal?: AbortSignal;
}

export interface AiSdkCommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface AiSdkOptions {
  /** Default: what the sandbox is, without what its policy grants. */
  readonly description?: string;
}

const usualDescription =
  "A Linux sandbox. Commands run in a POSIX shell. /tmp and $HOME are writable and kept between commands. What is refused is" +
  " refused by policy: do not try to get round it.";

/** A kept sandbox as `experimental_sandbox` of generateText, streamText and agents. It stays the caller's to close. */
export function aiSdkSandbox(
  session: SandboxSession,
  { description = usualDescription }: AiSdkOptions = {},
): AiSdkSandbox {
  const run = async (options: AiSdkCommand): Promise<AiSdkCommandResult> => {
    const { command, workingDirectory, env, abortSignal } = options;
    const result = await session.exec(shellCommand(command, env), {
      signal: abortSignal,
      ...(workingDirectory === undefined ? {} : { cwd: workingDirectory }),
    });
    return { exitCode: statusOfResult(result), stdout: result.stdout, stderr: result.stderr };
  };
  return { description, run, executeCommand: run };
}
