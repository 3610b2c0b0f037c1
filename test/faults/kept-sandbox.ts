/** A kept sandbox with two programs and files in and out, for faults to be injected into; says and exits as the command line tool does. */
import { writeSync } from "node:fs";
import { sandbox, SkillboxError } from "../../src/index.js";

try {
  await using box = await sandbox.create({ events: true });
  const first = await box.exec(process.argv.slice(2));
  writeSync(1, first.stdout);
  await box.writeFile("/tmp/file", "content\n");
  const second = await box.exec(["cat", "/tmp/file"]);
  const read = await box.readFile("/tmp/file");
  if (second.stdout !== "content\n" || read.toString() !== "content\n")
    throw new Error("the file is not as it was written");
  process.exitCode = first.exitCode ?? 1;
} catch (error) {
  if (!(error instanceof SkillboxError)) throw error;
  writeSync(2, `skillbox: error: ${error.message}\n`);
  process.exitCode = 125;
}
