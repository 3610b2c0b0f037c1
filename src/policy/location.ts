import type { Place } from "./diagnostic.js";
import type { Origin } from "./policy.js";

/** Keys and indexes from the top of a policy to one of its values. */
export type ValuePath = readonly (string | number)[];

/** From a path inside a policy to the place where it was written. */
export interface Locator {
  /** The value at the path or, for part "key", the key before it; where that was not written, what is around it. */
  place(path: ValuePath, part?: "key" | "value"): Place;
  /** undefined for a policy that was not read from a text. */
  origin(path: ValuePath): Origin | undefined;
}

/** For a policy given as an object: `filesystem.read[0]`. */
export const objectLocator: Locator = {
  place: (path) => ({ label: formatPath(path) }),
  origin: () => undefined,
};

/** `filesystem.read[0]`; the empty path is `policy`. */
export function formatPath(path: ValuePath): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (/^[\w$-]+$/.test(step)) text += text === "" ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text === "" ? "policy" : text;
}
