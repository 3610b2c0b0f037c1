import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ExecutionContext } from "ava";

/**
 * A directory on the host for one test, removed after it, with what an operator has around a run: a home directory with
 * secrets in it, and a directory to work in.
 */
export class Scratch {
  readonly path: string;
  readonly home: string;
  /** What the program works in; the working directory of runs unless they say otherwise. */
  readonly work: string;

  constructor() {
    // Not named skillbox-*: those are what the tests look for as left behind.
    this.path = realpathSync(mkdtempSync(path.join(tmpdir(), "box-")));
    chmodSync(this.path, 0o755);
    this.home = this.directory("home");
    this.work = this.directory("work");
  }

  at(name: string): string {
    return path.join(this.path, name);
  }

  directory(name: string): string {
    const created = this.at(name);
    mkdirSync(created, { recursive: true });
    return created;
  }

  /** Returns the file's path. */
  file(name: string, content: string | Uint8Array, mode = 0o644): string {
    const created = this.at(name);
    mkdirSync(path.dirname(created), { recursive: true });
    writeFileSync(created, content);
    chmodSync(created, mode);
    return created;
  }

  read(name: string): string {
    return readFileSync(this.at(name), "utf8");
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export function scratch(t: ExecutionContext): Scratch {
  const created = new Scratch();
  t.teardown(() => created.remove());
  return created;
}

const fixtures = path.resolve(import.meta.dirname, "../../../test/fixtures");

export function fixture(name: string): string {
  return path.join(fixtures, name);
}

/** Compiles test/fixtures/probes/NAME.c into a directory; returns the program's path. */
export function compileProbe(name: string, folder: string, ...flags: string[]): string {
  const program = path.join(folder, name);
  const args = ["-O1", ...flags, "-o", program, fixture(`probes/${name}.c`)];
  const { status, stderr } = spawnSync("gcc", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
  return program;
}
