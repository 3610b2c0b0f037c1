import { getSystemErrorName } from "node:util";
import { SkillboxError } from "../errors.js";

/** An error of node:fs or of the addon: both carry `errno`, negative, and `syscall`. */
interface SystemError extends Error {
  readonly errno: number;
  readonly syscall: string;
  readonly path?: string;
}

/** What the kernel did not let skillbox itself do, as an error of the sandbox; anything else as it is. */
export function describeSystemError(error: unknown): unknown {
  if (!isSystemError(error)) return error;
  const { syscall, path } = error;
  const errno = getSystemErrorName(error.errno);
  const about = path === undefined ? "" : ` ${path}`;
  return new SkillboxError("ERR_LAUNCH", `skillbox could not go on: ${syscall}${about}: ${errno}`, {
    stage: "supervisor",
    operation: syscall,
    errno,
    hint: exhaustionHint(errno) ?? "`skillbox doctor` shows what this host allows and how to change it",
    cause: error,
  });
}

/** What to do where something of the process or the host is used up; undefined for any other errno. */
export function exhaustionHint(errno: string): string | undefined {
  return exhausted.get(errno);
}

const exhausted: ReadonlyMap<string, string> = new Map([
  ["EMFILE", "no descriptors are left to this process: raise `ulimit -n`, or run fewer sandboxes at once"],
  ["ENFILE", "no descriptors are left on this host: see the sysctl fs.file-max"],
  ["ENOMEM", "no memory is left, on the host or within the limit of a cgroup that skillbox runs in"],
  ["ENOBUFS", "no memory is left, on the host or within the limit of a cgroup that skillbox runs in"],
  ["EAGAIN", "no processes or threads are left to this user or cgroup: see `ulimit -u` and pids.max"],
]);

function isSystemError(error: unknown): error is SystemError {
  return (
    error instanceof Error &&
    !(error instanceof SkillboxError) &&
    "errno" in error &&
    typeof error.errno === "number" &&
    error.errno < 0 &&
    "syscall" in error
  );
}
