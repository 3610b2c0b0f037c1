import type { ChildProcessByStdio } from "node:child_process";
import type { Readable } from "node:stream";

export interface Collected {
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined where a signal ended it. */
  readonly status: number | undefined;
}

/** All that a child writes, when it has ended. Rejects where it could not be started. */
export async function collected(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Collected> {
  const written = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (written.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (written.stderr += text));
  const status = await new Promise<number | undefined>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      resolve(code ?? undefined);
    });
  });
  return { ...written, status };
}
