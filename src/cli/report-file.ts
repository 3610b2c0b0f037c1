import { closeSync, constants, fstatSync, ftruncateSync, openSync, realpathSync, writeSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { SkillboxError } from "../errors.js";
import { pathContains } from "../policy/paths.js";
import type { Policy } from "../policy/policy.js";

/** Takes the result of a run, or the error instead of it, once. */
export interface ReportFile {
  write(content: unknown): void;
}

/**
 * Opened before the program starts: where it cannot be written nothing runs, and what the program makes of the path, if it
 * may write there, does not matter any more. Below a write grant no link is followed, since an earlier run may have made
 * it. Without a policy (it could not be read) nothing runs, and the file itself may be no link.
 */
export function openReport(file: string | undefined, policy: Policy | undefined): ReportFile {
  if (file === undefined) return { write: () => undefined };
  const fd = open(file, policy);
  let written = false;
  return {
    write: (content) => {
      if (written) return;
      written = true;
      const stats = fstatSync(fd);
      if (stats.isFile()) ftruncateSync(fd);
      writeAll(fd, `${JSON.stringify(content, undefined, 2)}\n`);
      closeSync(fd);
      if (stats.nlink === 0) throw unwritable(file, "the program has removed it", undefined);
    },
  };
}

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOCTTY;

function open(file: string, policy: Policy | undefined): number {
  const named = resolve(file);
  try {
    if (named.startsWith("/dev/")) return openSync(named, flags); // /dev/fd/3, and there are no grants
    const directory = realpathSync.native(dirname(named));
    const path = `${directory}/${basename(named)}`;
    if (policy === undefined) return openUnlessAlone(path, flags | constants.O_NOFOLLOW);
    if (!mayWrite(policy, named) && !mayWrite(policy, path)) return openUnlessAlone(path, flags);
    if (directory !== dirname(named)) {
      throw unwritable(file, "it leads through a symbolic link, and the program may write there", undefined);
    }
    return openUnlessAlone(path, flags | constants.O_NOFOLLOW);
  } catch (cause) {
    if (cause instanceof SkillboxError) throw cause;
    throw unwritable(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

/** A FIFO that nobody reads from is an error, ENXIO, instead of a wait for somebody who may never come. */
function openUnlessAlone(path: string, how: number): number {
  const fd = openSync(path, how | constants.O_NONBLOCK, 0o666);
  if (!fstatSync(fd).isFIFO()) return fd;
  try {
    return openSync(path, how);
  } finally {
    closeSync(fd);
  }
}

function mayWrite({ filesystem }: Policy, path: string): boolean {
  return [...filesystem.write, ...filesystem.overlay].some(
    (grant) => pathContains(grant.path, path) || pathContains(realPath(grant.path), path),
  );
}

/** A grant that is not there is for others to complain about. */
function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path;
  }
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
}

function unwritable(file: string, why: string, cause: unknown): SkillboxError {
  return new SkillboxError("ERR_USAGE", `--report: ${file} cannot be written: ${why}`, {
    hint: "name a file in a directory that the program cannot write to",
    cause,
  });
}
