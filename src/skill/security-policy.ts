import { lstatSync } from "node:fs";
import { isAbsolute, join, normalize } from "node:path";
import { policyError } from "../policy/diagnostic.js";
import { quoted } from "../policy/display.js";
import { parsePolicy, policyFromObject } from "../policy/load.js";
import type { Policy } from "../policy/policy.js";
import { readPolicyText } from "../policy/read-file.js";

/** What a skill asks for, and where it says so. */
export type DeclaredPolicy =
  | { readonly source: "none" }
  | {
      readonly source: "metadata-file" | "metadata-text" | "top-level";
      readonly policy: Policy;
      /** Relative to the skill. */
      readonly file: string;
      readonly text: string;
    };

export interface PolicyPlaces {
  readonly directory: string;
  /** SKILL.md's path, for messages. */
  readonly file: string;
  /** `metadata.security_policy`: a file's name, or the policy as a text of several lines. */
  readonly inMetadata: unknown;
  /** `security_policy` beside `metadata`. */
  readonly topLevel: unknown;
}

/** Throws ERR_POLICY for what cannot be read, and for two places that disagree: never takes either for "none". */
export function declaredPolicy(places: PolicyPlaces): DeclaredPolicy {
  const first = fromMetadata(places);
  const second = fromTopLevel(places);
  if (first.source === "none") return second;
  if (second.source !== "none" && meaning(first.policy) !== meaning(second.policy)) {
    const message = "metadata.security_policy and security_policy disagree; keep the one in metadata";
    throw policyError([{ place: { label: places.file }, message }]);
  }
  return first;
}

function fromMetadata({ directory, file, inMetadata }: PolicyPlaces): DeclaredPolicy {
  if (inMetadata === undefined) return { source: "none" };
  if (typeof inMetadata !== "string") {
    const message = "metadata.security_policy must be a file's name, or a policy as a block of text (`|`)";
    throw policyError([{ place: { label: file }, message }]);
  }
  const options = { baseDirectory: directory, extendsFiles: false } as const;
  if (inMetadata.includes("\n")) {
    const { policy } = parsePolicy(inMetadata, { ...options, file: `${file}#metadata.security_policy` });
    return { source: "metadata-text", policy, file: "SKILL.md", text: inMetadata };
  }
  const path = fileInside(directory, inMetadata);
  const text =
    path === undefined
      ? { problem: "must be a regular file in the skill's folder, not reached through links" }
      : readPolicyText(path, { regularOnly: true });
  if ("problem" in text) {
    const message = `metadata.security_policy: ${quoted(inMetadata)} ${text.problem}`;
    throw policyError([{ place: { label: file }, message }]);
  }
  const { policy } = parsePolicy(text.value, { ...options, file: path });
  return { source: "metadata-file", policy, file: normalize(inMetadata), text: text.value };
}

function fromTopLevel({ directory, topLevel }: PolicyPlaces): DeclaredPolicy {
  if (topLevel === undefined) return { source: "none" };
  const policy = policyFromObject(topLevel, { baseDirectory: directory, extendsFiles: false });
  return { source: "top-level", policy, file: "SKILL.md", text: JSON.stringify(topLevel, undefined, 2) };
}

function fileInside(directory: string, written: string): string | undefined {
  const parts = normalize(written).split("/");
  if (isAbsolute(written) || written === "" || parts.includes("..")) return undefined;
  const isPlain = parts.every((_part, index) => {
    const stat = lstatSync(join(directory, ...parts.slice(0, index + 1)), { throwIfNoEntry: false });
    return index === parts.length - 1 ? stat?.isFile() === true : stat?.isDirectory() === true;
  });
  return isPlain ? join(directory, ...parts) : undefined;
}

/** Without the places where things are written. */
function meaning(policy: Policy): string {
  return JSON.stringify(policy, (key, value: unknown) =>
    key === "origin" || key === "written" ? undefined : value,
  );
}
