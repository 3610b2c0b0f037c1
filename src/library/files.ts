import { open, type FileHandle } from "node:fs/promises";
import { resolve } from "node:path";
import { loadNative } from "../native/binding.js";
import type { Session } from "../sandbox/session.js";

/** Opens a file as the programs of a sandbox see it. Rejects with ERR_FILE. */
export async function withFile<Value>(
  { sandbox, preparation }: Session,
  path: string,
  access: "read" | "write",
  use: (file: FileHandle) => Promise<Value>,
): Promise<Value> {
  const fd = await sandbox.open(resolve(preparation.cwd, path), access);
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
