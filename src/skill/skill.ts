import { lstatSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { SkillboxError } from "../errors.js";
import { type Problem, policyError } from "../policy/diagnostic.js";
import { quoted } from "../policy/display.js";
import { readPolicyText } from "../policy/read-file.js";
import { isMapping, readFrontMatter } from "./front-matter.js";
import { type DeclaredPolicy, declaredPolicy } from "./security-policy.js";

export interface Skill {
  /** Absolute. */
  readonly directory: string;
  readonly name: string;
  readonly version: string | undefined;
  readonly description: string;
  readonly body: string;
  readonly bodyLine: number;
  readonly policy: DeclaredPolicy;
  /** What other readers of the front matter may refuse. */
  readonly notices: readonly string[];
}

/** The keys of the Agent Skills specification. */
const knownKeys = ["name", "description", "license", "compatibility", "metadata", "allowed-tools"];

/** Reads a skill's SKILL.md and the policy that it asks for. Throws ERR_USAGE where there is none, ERR_POLICY for what is wrong in it. */
export function readSkill(path: string): Skill {
  const directory = resolve(path);
  const file = join(directory, "SKILL.md");
  const isFolder = statSync(directory, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder || lstatSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new SkillboxError("ERR_USAGE", `${quoted(path)} is no skill: it has no file SKILL.md`, {
      hint: "name the folder that holds SKILL.md",
    });
  }
  const text = readPolicyText(file, { regularOnly: true });
  if ("problem" in text) throw policyError([{ place: { label: file }, message: text.problem }]);
  const { value, locator, body, bodyLine } = readFrontMatter(file, text.value);
  const problems: Problem[] = [];
  const { name, description, metadata, security_policy: topLevel } = value;
  const wrong = (key: string, message: string): number =>
    problems.push({ place: locator.place([key]), message });
  if (typeof name !== "string" || !/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/.test(name))
    wrong("name", "`name` must be 1 to 64 small letters, digits and hyphens");
  if (typeof description !== "string" || description.trim() === "" || description.length > 1024)
    wrong("description", "`description` must be a text of 1 to 1024 characters");
  if (metadata !== undefined && !isMapping(metadata)) wrong("metadata", "`metadata` must map names to texts");
  if (problems.length > 0) throw policyError(problems);
  const notices = Object.keys(value)
    .filter((key) => !knownKeys.includes(key))
    .map(
      (key) =>
        `SKILL.md: the key ${quoted(key)} is refused by strict validators of skills; metadata is for such`,
    );
  const version = isMapping(metadata) ? metadata["version"] : undefined;
  return {
    directory,
    name: String(name),
    version: typeof version === "string" ? version : undefined,
    description: String(description),
    body,
    bodyLine,
    policy: declaredPolicy({
      directory,
      file,
      inMetadata: isMapping(metadata) ? metadata["security_policy"] : undefined,
      topLevel,
    }),
    notices,
  };
}
