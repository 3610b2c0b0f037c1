import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
} from "node:fs";
import { join, relative, resolve } from "node:path";
import { SkillboxError } from "../errors.js";
import { pathContains } from "../policy/paths.js";

export interface SkillFile {
  /** Relative to the skill. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Of a file that may be code: at most 1 MiB. */
  readonly text: string | undefined;
}

export interface Oddity {
  readonly rule: "SBX406" | "SBX408" | "SBX409";
  readonly path: string;
  readonly what: string;
}

export interface Inventory {
  readonly files: readonly SkillFile[];
  readonly oddities: readonly Oddity[];
  /** Over the paths and digests of all files. */
  readonly sha256: string;
}

const mostEntries = 5000;
const mostBytes = 256 * 1024 * 1024;
const mostDepth = 32;

/** Lists a skill's folder without following a link or opening anything but regular files. Throws ERR_USAGE for one that is too large. */
export function takeInventory(directory: string): Inventory {
  const files: SkillFile[] = [];
  const oddities: Oddity[] = [];
  let entries = 0;
  let total = 0;

  const walk = (folder: string, depth: number): void => {
    if (depth > mostDepth) throw tooLarge(`folders are nested more than ${mostDepth} deep`);
    for (const entry of readdirSync(folder, { encoding: "buffer" })) {
      if (++entries > mostEntries) throw tooLarge(`it has more than ${mostEntries} files and folders`);
      const name = entry.toString("utf8");
      const path = join(folder, name);
      const shown = relative(directory, path);
      if (!Buffer.from(name).equals(entry) || deceptive.test(name)) {
        oddities.push({
          rule: "SBX409",
          path: shown,
          what: `the name ${JSON.stringify(name)} deceives its reader`,
        });
        if (!Buffer.from(name).equals(entry)) continue;
      }
      const stat = lstatSync(path);
      if (stat.isSymbolicLink()) {
        const target = readlinkSync(path);
        if (!pathContains(directory, resolve(folder, target)))
          oddities.push({ rule: "SBX406", path: shown, what: `the link leads to ${target}` });
      } else if (stat.isDirectory()) {
        if (shown !== ".git" && name !== "node_modules") walk(path, depth + 1);
      } else if (!stat.isFile()) {
        oddities.push({ rule: "SBX408", path: shown, what: "a device, FIFO or socket" });
      } else {
        if ((stat.mode & 0o6000) !== 0) oddities.push({ rule: "SBX408", path: shown, what: "a set-id file" });
        total += stat.size;
        if (total > mostBytes) throw tooLarge("its files have more than 256 MiB");
        files.push(readSkillFile(path, shown));
      }
    }
  };
  walk(directory, 0);
  const whole = createHash("sha256");
  for (const { path, sha256 } of files.toSorted((a, b) => (a.path < b.path ? -1 : 1)))
    whole.update(`${JSON.stringify(path)} ${sha256}\n`);
  return { files, oddities, sha256: whole.digest("hex") };
}

/** Control characters, and those that are not seen or turn the direction of reading. */
const deceptive = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/u;

function readSkillFile(path: string, shown: string): SkillFile {
  // What it was a moment ago need not be what it is now.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    const content = readFileSync(fd);
    const sha256 = createHash("sha256").update(content).digest("hex");
    const text = size > 1024 * 1024 || content.includes(0) ? undefined : content.toString("utf8");
    return { path: shown, bytes: content.length, sha256, text };
  } finally {
    closeSync(fd);
  }
}

function tooLarge(why: string): SkillboxError {
  return new SkillboxError("ERR_USAGE", `this folder is too large for a skill: ${why}`, {
    hint: "name the folder that holds SKILL.md, without build output and dependencies",
  });
}
