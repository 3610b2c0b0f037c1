import { writeSync } from "node:fs";
import type { SkillboxError } from "../errors.js";

/** One message on stderr: what failed, where, and what to do. Policy errors already have the form of a compiler's. */
export function printError(error: SkillboxError): void {
  const text = error.code === "ERR_POLICY" ? error.message : `skillbox: error: ${error.message}`;
  printLine(text.trimEnd());
  if (error.hint !== undefined) printLine(`  hint: ${error.hint}`);
}

/**
 * A line on stderr. Not by process.stderr: to touch it, or process.stdout, makes a pipe non-blocking for everybody who
 * shares it, the program too, whose writes then fail with EAGAIN.
 */
export function printLine(line: string): void {
  writeSync(2, `${line}\n`);
}
