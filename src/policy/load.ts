import { createHash } from "node:crypto";
import { dirname, resolve } from "node:path";

import { type Problem, policyError } from "./diagnostic.js";
import { extendLayer } from "./extend.js";
import { finishPolicy } from "./layer.js";
import { type Locator, objectLocator } from "./location.js";
import { plainValue } from "./plain-value.js";
import type { Policy } from "./policy.js";
import { maxPolicyBytes, readPolicyText, tooLarge } from "./read-file.js";
import { readLayer } from "./read-layer.js";
import { SourceText } from "./source-text.js";
import { readYaml } from "./yaml-document.js";

export interface LoadedPolicy {
  readonly policy: Policy;
  /** The policy's file, absolute; undefined when the text came from elsewhere. */
  readonly file: string | undefined;
  /** Of the text itself as it was read, in hexadecimal; equal to what sha256sum says of the file. */
  readonly sha256: string;
  /** What the policy extends, nearest first: absolute paths, and presets as "preset:python". */
  readonly sources: readonly string[];
}

export interface LoadOptions {
  /**
   * Whether `extends` may name files; presets always may. Say false for a policy that nobody trusts yet: an error message
   * quotes the file it is about. Default: true.
   */
  readonly extendsFiles?: boolean | undefined;
}

export interface ParseOptions extends LoadOptions {
  /** The name to show in messages and origins. Default: "<policy>". */
  readonly file?: string | undefined;
  /** What relative paths in the policy are relative to. */
  readonly baseDirectory: string;
}

/**
 * Reads a policy file, YAML or JSON, up to 1 MiB. All problems of the file, and of the files that it extends, come in one
 * ERR_POLICY error whose message is the text to print.
 */
export function loadPolicyFile(path: string, options: LoadOptions = {}): LoadedPolicy {
  const text = readPolicyText(path, { regularOnly: false });
  if ("problem" in text) throw policyError([{ place: { label: path }, message: text.problem }]);
  const file = resolve(path);
  return parse(text.value, { ...options, file: path, baseDirectory: dirname(file) }, file);
}

/** The same from a text. `file` is only a name here: nothing is read from it. */
export function parsePolicy(text: string, options: ParseOptions): LoadedPolicy {
  return parse(text, options, options.file === undefined ? undefined : resolve(options.file));
}

/** The same from a JavaScript value of the shape of the YAML ({@link PolicyInput}); messages name paths like `filesystem.read[0]`. */
export function policyFromObject(
  value: unknown,
  options: LoadOptions & { readonly baseDirectory: string },
): Policy {
  const plain = plainValue(value);
  return compile(plain.value, objectLocator, plain.problems, options, []).policy;
}

function parse(text: string, options: ParseOptions, file: string | undefined): LoadedPolicy {
  const name = options.file ?? "<policy>";
  if (Buffer.byteLength(text) > maxPolicyBytes)
    throw policyError([{ place: { label: name }, message: tooLarge }]);
  const yaml = readYaml(new SourceText(name, text));
  const chain = file === undefined ? [] : [file];
  return {
    ...compile(yaml.value, yaml.locator, yaml.problems, options, chain),
    file,
    // On demand: to load node:crypto costs a start 5 ms.
    get sha256() {
      return createHash("sha256").update(text).digest("hex");
    },
  };
}

/** `chain` holds the absolute paths of the files that lead here, to find cycles. */
function compile(
  value: unknown,
  locator: Locator,
  found: readonly Problem[],
  options: LoadOptions & { readonly baseDirectory: string },
  chain: readonly string[],
): { readonly policy: Policy; readonly sources: readonly string[] } {
  const problems = [...found];
  const baseDirectory = resolve(options.baseDirectory);
  if (value === undefined && problems.length > 0) throw policyError(problems);
  const read = readLayer(value, locator, baseDirectory, problems);
  const allowed = { baseDirectory, chain, files: options.extendsFiles ?? true };
  const extended = extendLayer(read, locator, allowed, problems);
  const finished = finishPolicy(extended.layer);
  // A limit that a broken parent may have set is not missed before the parent is mended.
  if (problems.length === 0) problems.push(...finished.problems);
  if (problems.length > 0) throw policyError(problems);
  return { policy: finished.policy, sources: extended.sources };
}
