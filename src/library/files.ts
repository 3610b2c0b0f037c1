import { open, type FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import { SkillboxError } from "../errors.js";
import { loadNative } from "../native/binding.js";
import type { Sandbox } from "../sandbox/sandbox.js";
import type { Session } from "../sandbox/session.js";
import { describeSystemError } from "../sandbox/system-error.js";

/** Opens a file as the programs of a sandbox see it. Rejects with ERR_FILE. */
export async function withFile<Value>(
  { sandbox, preparation }: Session,
  path: string,
  access: "read" | "write",
  use: (file: FileHandle) => Promise<Value>,
): Promise<Value> {
  const fd = await openInside(sandbox, resolve(preparation.cwd, path), access);
  try {
    // A handle of Node's own: what it reads and writes goes through its thread pool.
    const file = await open(`/proc/self/fd/${fd}`, access === "read" ? "r" : "w");
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  } finally {
    loadNative().binding.closeFd(fd);
  }
}

async function openInside(sandbox: Sandbox, path: string, access: "read" | "write"): Promise<number> {
  try {
    return await sandbox.open(path, access);
  } catch (error) {
    throw describeSystemError(error);
  }
}

const chunkBytes = 256 * 1024;

/** A file's content. It may grow while it is read, and be larger than it says: what counts is what comes. Rejects with ERR_FILE. */
export async function readWhole(file: FileHandle, path: string, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, null);
    if (bytesRead === 0) return Buffer.concat(chunks, length);
    length += bytesRead;
    if (length > maxBytes) throw tooLarge(path, maxBytes);
    chunks.push(buffer.subarray(0, bytesRead));
  }
}

function tooLarge(path: string, maxBytes: number): SkillboxError {
  return new SkillboxError("ERR_FILE", `${path} is larger than ${maxBytes} bytes`, {
    stage: "file",
    errno: "EFBIG",
    hint: "give `maxBytes`, or have a program send it to a stream",
  });
}
