import { checkPath } from "./paths.js";
import type { PolicyDocument } from "./schema.js";

/**
 * Of data that the schema refused, what can still be judged by itself: where paths lead, what is extended. Someone who
 * mends a file wants all of its errors at once.
 */
export function salvage(value: unknown): PolicyDocument {
  const filesystem = field(value, "filesystem");
  const paths = (key: string): string[] => {
    const entries = field(filesystem, key);
    return Array.isArray(entries) ? entries.map((entry: unknown) => soundPath(entry) ?? refusedEntry) : [];
  };
  return {
    version: 1,
    extends: soundPath(field(value, "extends")),
    filesystem: {
      root: soundPath(field(filesystem, "root")),
      read: paths("read"),
      write: paths("write"),
      overlay: paths("overlay"),
      deny: paths("deny"),
    },
    syscalls: { profile: soundPath(field(field(value, "syscalls"), "profile")) },
  };
}

/** Stands for an entry of a list that the schema refused; the schema lets no empty path pass. */
export const refusedEntry = "";

function field(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  const descriptor = Object.getOwnPropertyDescriptor(value, key);
  return descriptor?.value;
}

function soundPath(value: unknown): string | undefined {
  return typeof value === "string" && checkPath(value) === undefined ? value : undefined;
}
