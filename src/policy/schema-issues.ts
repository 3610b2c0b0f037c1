import type { z } from "zod";

import type { Problem } from "./diagnostic.js";
import { quoted } from "./display.js";
import type { Locator, ValuePath } from "./location.js";
import { didYouMean } from "./nearest.js";
import { knownKeys } from "./schema.js";

/** zod's issues as problems, each at its place; one for each unknown key. */
export function schemaProblems(issues: readonly z.core.$ZodIssue[], locator: Locator): readonly Problem[] {
  return issues.flatMap((issue): readonly Problem[] => {
    const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
    if (issue.code === "unrecognized_keys")
      return issue.keys.map((key) => ({
        place: locator.place([...path, key], "key"),
        message: `unknown key ${quoted(key)}${hint(key, path)}`,
      }));
    if (issue.code === "invalid_key")
      return issue.issues.map(({ message }) => ({ place: locator.place(path, "key"), message }));
    const missing = issue.code === "invalid_type" && issue.input === undefined && path.length > 0;
    const message = missing ? `${quoted(String(path.at(-1)))} is missing` : issue.message;
    return [{ place: locator.place(path), message }];
  });
}

/** The key of this mapping that is near, or else where in the policy the key belongs. */
function hint(key: string, path: ValuePath): string {
  const here = path.map((step) => (typeof step === "number" ? "*" : step)).join(".");
  const near = didYouMean(key, knownKeys[here] ?? []);
  if (near !== "") return near;
  for (const [parent, keys] of Object.entries(knownKeys))
    if (parent !== here && !parent.includes("*") && keys.includes(key))
      return `; ${quoted(key)} belongs ${parent === "" ? "at the top level" : `under ${quoted(parent)}`}`;
  return `; known keys here are ${(knownKeys[here] ?? []).join(", ")}`;
}
