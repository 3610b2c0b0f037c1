import { getSystemErrorName } from "node:util";
import { SkillboxError } from "../errors.js";
import { explainLaunchFailure } from "../host/explain.js";
import { loadNative } from "../native/binding.js";
import type { InitFailure } from "./reports.js";
import { exhaustionHint } from "./system-error.js";

/** What a failed set-up means for the person who sees it. */
export function launchError(failure: InitFailure): SkillboxError {
  const { stage, operation, subject, errno } = failure;
  const about = subject === "" ? "" : ` ${subject}`;
  const code = stage === "clone" || stage === "user_ns" || stage === "cgroup" ? "ERR_HOST" : "ERR_LAUNCH";
  return new SkillboxError(
    code,
    `the sandbox could not be set up: ${stage}: ${operation}${about}: ${errno}`,
    {
      stage,
      operation,
      errno,
      hint: hintFor(failure),
    },
  );
}

/** A program that did not start: execve(2)'s answer, or a step before it. */
export function processError(failure: InitFailure): SkillboxError {
  const { stage, operation, subject, errno } = failure;
  const details = { stage, operation, errno };
  if (stage === "exec" && (errno === "ENOENT" || errno === "ENOTDIR")) {
    return operation === "find"
      ? new SkillboxError("ERR_NOT_FOUND", `${subject}: not found in the sandbox`, {
          ...details,
          hint: "the sandbox shows /usr, the working directory and what the policy grants; see `skillbox policy explain`",
        })
      : // The file is there (it was looked at), so what is missing is what it needs to start.
        new SkillboxError("ERR_NOT_FOUND", `${subject}: its interpreter or loader is not in the sandbox`, {
          ...details,
          hint: "look at its first line (`#!`), or at `file` for a binary, and grant what it names with --read",
        });
  }
  if (stage === "exec") {
    return new SkillboxError("ERR_NOT_EXECUTABLE", `${subject}: cannot be executed: ${errno}`, {
      ...details,
      hint:
        errno === "ENOEXEC"
          ? "it is neither a binary for this machine nor a script with `#!`"
          : (exhaustionHint(errno) ?? "is it executable (chmod +x)?"),
    });
  }
  if (operation === "chdir") {
    return new SkillboxError(
      "ERR_GRANT",
      `the working directory ${subject} is not in the sandbox: ${errno}`,
      {
        ...details,
        hint: "grant it, or choose another with -C DIR",
      },
    );
  }
  return launchError(failure);
}

/** It was killed, or its last words could not be sent. */
export function endedWithoutReport(): SkillboxError {
  return new SkillboxError("ERR_LAUNCH", "PID 1 of the sandbox ended without a report", {
    stage: "supervision",
    hint: "it was killed from outside, or by the kernel for lack of memory",
  });
}

/** Where this process cannot take what PID 1 sends. */
export function notReceived(error: number): SkillboxError {
  const errno = getSystemErrorName(-error);
  return new SkillboxError("ERR_LAUNCH", `what PID 1 of the sandbox says could not be received: ${errno}`, {
    stage: "supervisor",
    operation: "recvmsg",
    errno,
    hint: exhaustionHint(errno) ?? "see what this process is limited to: `ulimit -a`",
  });
}

/** The cure for what the host forbids; else for what happened to a path meanwhile. */
function hintFor(failure: InitFailure): string {
  const { stage, errno } = failure;
  if (stage === "sources" && errno === "ESTALE")
    return "the path was replaced while the sandbox was starting; try again";
  if (stage === "sources" && errno === "ELOOP") {
    return "a symbolic link appeared in the path while the sandbox was starting; try again";
  }
  const exhausted = errno === "EAGAIN" ? undefined : exhaustionHint(errno);
  if (exhausted !== undefined) return exhausted;
  const explained = explainLaunchFailure(failure, loadNative().initPath);
  return explained === undefined
    ? "`skillbox doctor` shows what this host allows and how to change it"
    : `${explained.reason}: ${explained.hint}`;
}
