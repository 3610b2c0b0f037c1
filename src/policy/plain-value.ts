import type { Problem } from "./diagnostic.js";
import { objectLocator, type ValuePath } from "./location.js";
import { maxDepth, maxValues } from "./yaml-tokens.js";

/**
 * A copy of a JavaScript value as JSON would hold it: own enumerable properties, read once, `undefined` left out.
 * What JSON has no place for (functions, symbols, class instances such as Map and Date, cycles) is a problem, and so is
 * a key `__proto__`, which zod's records would pass over in silence.
 */
export function plainValue(value: unknown): {
  readonly value: unknown;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  let values = 0;
  return { value: copy(value, []), problems };

  function copy(from: unknown, path: ValuePath): unknown {
    if (++values > maxValues)
      return values === maxValues + 1 ? refuse([], "the policy is too large") : undefined;
    if (path.length > maxDepth) return refuse(path, "the policy is nested too deeply, or in itself");
    if (Array.isArray(from)) return from.map((item: unknown, index) => copy(item, [...path, index]));
    if (typeof from === "object" && from !== null) return copyObject(from, path);
    if (typeof from === "function" || typeof from === "symbol" || typeof from === "bigint")
      return refuse(path, `a ${typeof from} has no place in a policy`);
    return from;
  }

  function copyObject(from: object, path: ValuePath): unknown {
    const prototype: unknown = Object.getPrototypeOf(from);
    // An object of another realm (vm, worker messages) has another Object.prototype, whose own prototype is null too.
    const plain =
      prototype === null || (typeof prototype === "object" && Object.getPrototypeOf(prototype) === null);
    if (!plain) return refuse(path, "expected a plain object, got an instance of a class");
    const entries: [string, unknown][] = [];
    for (const [key, item] of Object.entries(from)) {
      if (key === "__proto__") refuse([...path, key], "unknown key `__proto__`");
      else if (item !== undefined) entries.push([key, copy(item, [...path, key])]);
    }
    return Object.fromEntries(entries);
  }

  function refuse(path: ValuePath, message: string): unknown {
    problems.push({ place: objectLocator.place(path), message });
    return undefined;
  }
}
