import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  readdirSync,
  readlinkSync,
  statSync,
} from "node:fs";

/** The few questions about the host's files on which the interpreter's prefix depends. Nothing here throws. */
export interface HostFiles {
  /** The text of a symbolic link; undefined for anything else. */
  readlink(path: string): string | undefined;
  /** Follows links; undefined where nothing can be reached. */
  stat(path: string): FileFact | undefined;
  /** At most `limit` bytes from the start of a regular file, as text. */
  readStart(path: string, limit: number): string | undefined;
  /** Names in a directory, sorted; empty where it cannot be read. */
  readdir(path: string): readonly string[];
}

export interface FileFact {
  readonly kind: "file" | "directory" | "other";
  /** Any of the three x bits; which of them applies is the kernel's to say, inside. */
  readonly executable: boolean;
}

/** The host's. Each question is asked once: for one search, over directories that have their parents in common. */
export function hostFiles(): HostFiles {
  return {
    // Most are none, and an error costs more than ten answers.
    readlink: remembered((path) => attempt(() => (isLink(path) ? readlinkSync(path) : undefined))),
    stat: remembered(statFact),
    readStart: (path, limit) => attempt(() => readRegularFile(path, limit)),
    readdir: remembered((path) => attempt(() => readdirSync(path).sort()) ?? []),
  };
}

function remembered<T>(ask: (path: string) => T): (path: string) => T {
  const answers = new Map<string, { readonly value: T }>();
  return (path) => {
    let answer = answers.get(path);
    if (answer === undefined) {
      answer = { value: ask(path) };
      answers.set(path, answer);
    }
    return answer.value;
  };
}

function statFact(path: string): FileFact | undefined {
  const found = attempt(() => statSync(path, { throwIfNoEntry: false }));
  if (found === undefined) return undefined;
  const kind = found.isFile() ? "file" : found.isDirectory() ? "directory" : "other";
  return { kind, executable: (found.mode & 0o111) !== 0 };
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/** O_NONBLOCK: a FIFO that takes the file's place between stat and open must not hold the operator up. */
function readRegularFile(path: string, limit: number): string | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  try {
    if (!fstatSync(fd).isFile()) return undefined;
    const bytes = Buffer.alloc(limit);
    let length = 0;
    while (length < limit) {
      const count = readSync(fd, bytes, length, limit - length, length);
      if (count === 0) break;
      length += count;
    }
    return bytes.toString("utf8", 0, length);
  } finally {
    closeSync(fd);
  }
}

function attempt<T>(operation: () => T): T | undefined {
  try {
    return operation();
  } catch {
    return undefined;
  }
}
