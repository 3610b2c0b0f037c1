import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";

import type { Parsed } from "./parsed.js";

/** No policy that a person keeps is near it. */
export const maxPolicyBytes = 1024 ** 2;
export const tooLarge = "is larger than 1 MiB: that is no policy";

/**
 * The text of a policy file, or why it cannot be had, as "cannot be read: …". The caller's own file may be a pipe
 * (`--policy <(…)`); one that a policy names must be a regular file, or a FIFO left in a skill could hold the runner up.
 */
export function readPolicyText(path: string, options: { readonly regularOnly: boolean }): Parsed<string> {
  if (path.includes("\0")) return { problem: "cannot be read: its path holds a NUL character" };
  try {
    const bytes = readBounded(path, options.regularOnly);
    if (typeof bytes === "string") return { problem: bytes };
    // The byte order mark stays, so that the text hashes to what the file does.
    return { value: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (error) {
    if (error instanceof TypeError) return { problem: "cannot be read: it is not UTF-8" };
    return { problem: `cannot be read: ${reason(error)}` };
  }
}

/** The bytes, or the problem. */
function readBounded(path: string, regularOnly: boolean): Buffer | string {
  const wait = regularOnly ? constants.O_NONBLOCK : 0;
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOCTTY | wait);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) return "cannot be read: it is a directory";
    if (regularOnly && !stat.isFile()) return "cannot be read: it is not a regular file";
    const buffer = Buffer.alloc(maxPolicyBytes + 1);
    let length = 0;
    for (;;) {
      const got = readSync(fd, buffer, length, buffer.length - length, null);
      length += got;
      if (length > maxPolicyBytes) return tooLarge;
      if (got === 0) return buffer.subarray(0, length);
    }
  } finally {
    closeSync(fd);
  }
}

function reason(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "no such file";
  if (code === "EACCES" || code === "EPERM") return "permission denied";
  if (code === "ELOOP") return "too many symbolic links";
  if (code === "ENOTDIR") return "a part of its path is not a directory";
  return typeof code === "string" ? code : String(error);
}
