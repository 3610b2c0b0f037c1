import { createHash } from "node:crypto";
import type { FilterInput } from "./filter.js";

/**
 * A key for caching compiled filters: the sha256, in hex, of all that `compileFilter` depends on except its own code (put
 * the version of skillbox beside it). Apart
 * from the compiler, because loading node:crypto costs a start more than compiling does.
 */
export function filterKey(input: FilterInput): string {
  const text = JSON.stringify(input, (key, value: unknown) => {
    if (key === "file" || key === "comment") return undefined;
    return typeof value === "bigint" ? { bits: value.toString(16) } : value;
  });
  return createHash("sha256").update(text).digest("hex");
}
