import { dirname } from "node:path";

import { formatPlace, type Place, type Problem } from "./diagnostic.js";
import { quoted } from "./display.js";
import { mergeLayers, type PolicyLayer } from "./layer.js";
import { type Locator, objectLocator } from "./location.js";
import { didYouMean } from "./nearest.js";
import { resolvePath } from "./paths.js";
import { isPresetName, type PresetName, presetNames, presets } from "./presets.js";
import { readPolicyText } from "./read-file.js";
import { type ReadLayer, readLayer } from "./read-layer.js";
import { SourceText } from "./source-text.js";
import { readYaml } from "./yaml-document.js";

/** Enough for a company, a team, a project and a machine, twice over. */
const maxExtends = 8;

export interface ExtendOptions {
  readonly baseDirectory: string;
  /** Absolute paths of the files that extend one another down to here, the outermost first. */
  readonly chain: readonly string[];
  /** Whether files, and not only presets, may be named. */
  readonly files: boolean;
}

export interface ExtendedLayer {
  readonly layer: PolicyLayer;
  /** Nearest first. */
  readonly sources: readonly string[];
}

/**
 * Follows `extends` to its end and merges what it finds below `read`. Problems are added to `problems`, at the `extends`
 * that leads to them or in the file that they are in; the result is then incomplete.
 */
export function extendLayer(
  read: ReadLayer,
  locator: Locator,
  options: ExtendOptions,
  problems: Problem[],
): ExtendedLayer {
  const written = read.extends;
  if (written === undefined) return { layer: read.layer, sources: [] };
  const place = locator.place(["extends"]);
  const parent = isPresetName(written)
    ? readPreset(written, problems)
    : readParentFile(written, place, options, problems);
  if (parent === undefined) return { layer: read.layer, sources: [] };
  return { layer: mergeLayers(parent.layer, read.layer), sources: parent.sources };
}

function readPreset(name: PresetName, problems: Problem[]): ExtendedLayer {
  const read = readLayer(presets[name], objectLocator, "/", problems);
  return { layer: read.layer, sources: [`preset:${name}`] };
}

function readParentFile(
  written: string,
  place: Place,
  options: ExtendOptions,
  problems: Problem[],
): ExtendedLayer | undefined {
  const refuse = (message: string): ExtendedLayer | undefined => {
    problems.push({ place, message });
    return undefined;
  };
  if (!/[./]/.test(written)) {
    const hint = didYouMean(written, presetNames);
    return refuse(
      `${quoted(written)} is not one of the presets ${presetNames.join(", ")}${hint === "" ? "; a file is written as ./FILE" : hint}`,
    );
  }
  if (!options.files)
    return refuse(`this policy may extend presets only (${presetNames.join(", ")}), not a file`);
  const file = resolvePath(written, options.baseDirectory);
  if (options.chain.includes(file))
    return refuse(`${quoted(written)} leads back to this policy: ${quoted(file, 200)}`);
  if (options.chain.length > maxExtends) return refuse(`more than ${maxExtends} policies extend one another`);
  const text = readPolicyText(file, { regularOnly: true });
  if ("problem" in text) return refuse(`${quoted(written)} ${text.problem}`);
  const yaml = readYaml(new SourceText(file, text.value));
  const found = [...yaml.problems];
  const directory = dirname(file);
  const read = yaml.value === undefined ? undefined : readLayer(yaml.value, yaml.locator, directory, found);
  const below = { ...options, baseDirectory: directory, chain: [...options.chain, file] };
  const extended = read === undefined ? undefined : extendLayer(read, yaml.locator, below, found);
  const note = `${formatPlace(place)} extends this file`;
  problems.push(...found.map((problem) => ({ ...problem, notes: [...(problem.notes ?? []), note] })));
  return extended === undefined ? undefined : { ...extended, sources: [file, ...extended.sources] };
}
