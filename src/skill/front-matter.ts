import { type Problem, policyError } from "../policy/diagnostic.js";
import type { Locator } from "../policy/location.js";
import { SourceText } from "../policy/source-text.js";
import { readYaml } from "../policy/yaml-document.js";

export interface FrontMatter {
  readonly value: Readonly<Record<string, unknown>>;
  readonly locator: Locator;
  /** The Markdown behind it. */
  readonly body: string;
  /** 1-based line of the body's first. */
  readonly bodyLine: number;
}

/**
 * The YAML between the `---` of the first line and the next line that is `---`. Strict: what another reader might take
 * differently (duplicate keys, tags, a delimiter with something behind it) is an error. Throws ERR_POLICY with the place.
 */
export function readFrontMatter(name: string, text: string): FrontMatter {
  const lines = text.replace(/^\ufeff/, "").split("\n");
  const at = (message: string): Problem => ({ place: { label: name }, message });
  if (lines[0]?.trimEnd() !== "---")
    throw policyError([at("no front matter: the first line of SKILL.md must be `---`")]);
  const end = lines.findIndex((line, index) => index > 0 && line.trimEnd() === "---");
  if (end < 0) throw policyError([at("the front matter has no end: a line `---` is missing")]);
  // A comment in place of the delimiter keeps the lines' numbers.
  const source = new SourceText(name, ["#", ...lines.slice(1, end)].join("\n"));
  const { value, problems, locator } = readYaml(source);
  if (problems.length > 0) throw policyError(problems);
  if (!isMapping(value)) throw policyError([at("the front matter must be a mapping")]);
  return { value, locator, body: lines.slice(end + 1).join("\n"), bodyLine: end + 2 };
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
