import { readdirSync } from "node:fs";
import { SkillboxError } from "../errors.js";

/** More entries than this are not looked through. */
const entryLimit = 200_000;

/**
 * The Unix sockets and FIFOs below a directory: places where a program could meet one of the host, read-only mount or
 * not. Throws ERR_GRANT for a tree that is too large to be sure.
 */
export function findRendezvous(directory: string): readonly string[] {
  const found: string[] = [];
  const pending = [directory];
  let seen = 0;
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    for (const entry of readdirSync(current, { withFileTypes: true })) {
      seen++;
      const path = `${current}/${entry.name}`;
      if (entry.isDirectory()) pending.push(path);
      else if (entry.isSocket() || entry.isFIFO()) found.push(path);
    }
    if (seen > entryLimit) {
      throw new SkillboxError(
        "ERR_GRANT",
        `${directory}: other file systems are mounted below it and it has more than ${entryLimit} entries, too many to look for sockets and FIFOs of the host`,
        { hint: "grant the directories that the program needs one by one" },
      );
    }
  }
  return found.toSorted();
}
