/** Reading and writing the one-value files of procfs, sysfs and cgroupfs. */
import { accessSync, constants, readFileSync, statSync, writeFileSync } from "node:fs";

/** The text of a file without its last newline; undefined where it is missing or may not be read. */
export function readValue(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trimEnd();
  } catch {
    return undefined;
  }
}

/** The words of a file such as cgroup.controllers; none where it is missing. */
export function readWords(path: string): readonly string[] {
  return (readValue(path) ?? "").split(/\s+/).filter((word) => word !== "");
}

/** One counter of a file of `name value` lines (memory.events, cpu.stat); undefined where there is none. */
export function readCounter(path: string, name: string): number | undefined {
  for (const line of (readValue(path) ?? "").split("\n")) {
    const [key, value] = line.split(" ");
    if (key === name && value !== undefined) return Number(value);
  }
  return undefined;
}

/** A file that holds one number; undefined where it is missing or says something else ("max"). */
export function readNumber(path: string): number | undefined {
  const text = readValue(path);
  return text !== undefined && /^-?\d+$/.test(text) ? Number(text) : undefined;
}

/**
 * Whether the caller may write here: the kernel's answer for a directory means creating entries. It covers modes,
 * capabilities and read-only mounts (EROFS), not what the file system itself refuses later.
 */
export function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** False for a file that is missing or out of reach. Throws where the kernel could not look: that says neither. */
export function exists(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (error) {
    if (errnoOf(error) === "EACCES") return false;
    throw error;
  }
}

export { writeFileSync as writeValue };

/** The symbolic errno of what node:fs threw: "EBUSY". */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
