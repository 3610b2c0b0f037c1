import { closeSync, constants, fstatSync, ftruncateSync, openSync, realpathSync, writeSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { SkillboxError } from "../errors.js";
import { pathContains } from "../policy/paths.js";
import type { Policy } from "../policy/policy.js";

/** Takes the result of a run, or the error instead of it. */
export interface ReportFile {
  write(content: unknown): void;
}

/**
 * Opened before the program starts: where it cannot be written nothing runs, and what the program makes of the path, if it
 * may write there, does not matter any more. Below a write grant no link is followed, since an earlier run may have made it.
 */
export function openReport(file: string | undefined, { filesystem }: Policy): ReportFile {
  if (file === undefined) return { write: () => undefined };
  const fd = open(file, [...filesystem.write, ...filesystem.overlay].map(({ path }) => path));
  return {
    write: (content) => {
      const { nlink } = fstatSync(fd);
      if (fstatSync(fd).isFile()) ftruncateSync(fd);
      writeAll(fd, `${JSON.stringify(content, undefined, 2)}\n`);
      closeSync(fd);
      if (nlink === 0) throw unwritable(file, "the program has removed it", undefined);
    },
  };
}

function open(file: string, writable: readonly string[]): number {
  const named = resolve(file);
  try {
    const directory = realpathSync.native(dirname(named));
    const path = `${directory}/${basename(named)}`;
    const exposed = writable.some((grant) => {
      const real = realpathSync.native(grant);
      return [named, path].some((either) => pathContains(grant, either) || pathContains(real, either));
    });
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_NOCTTY;
    if (!exposed) return openSync(named, flags, 0o666);
    if (directory !== dirname(named)) {
      throw unwritable(file, "it leads through a symbolic link, and the program may write there", undefined);
    }
    return openSync(path, flags | constants.O_NOFOLLOW, 0o666);
  } catch (cause) {
    if (cause instanceof SkillboxError) throw cause;
    throw unwritable(file, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

function unwritable(file: string, why: string, cause: unknown): SkillboxError {
  return new SkillboxError("ERR_USAGE", `--report: ${file} cannot be written: ${why}`, {
    hint: "name a file in a directory that the program cannot write to",
    cause,
  });
}
