import type { Scope } from "./scope.js";

/** A version as it becomes one component of a path: no separators, no dots alone. */
export function isComponent(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0");
}

/** pyenv-latest's rule: the version itself, or the newest release that it is a prefix of ("3.12" finds 3.12.10). */
export function installedVersion(scope: Scope, directory: string, wanted: string): string | undefined {
  if (!isComponent(wanted)) return undefined;
  if (scope.files.stat(`${directory}/${wanted}`)?.kind === "directory") return wanted;
  return scope.files
    .readdir(directory)
    .filter((name) => name.startsWith(`${wanted}.`) || name.startsWith(`${wanted}-`))
    .filter((name) => !/(?:-dev|-src|-latest|(?:a|b|rc)\d+|\dt)$/.test(name))
    .sort(byNumbers)
    .at(-1);
}

function byNumbers(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** `tool version…` lines of a .tool-versions file (asdf, mise). */
export function parseToolVersions(text: string): ReadonlyMap<string, readonly string[]> {
  const tools = new Map<string, readonly string[]>();
  for (const line of text.split("\n")) {
    const [tool, ...versions] = line.replace(/#.*/, "").trim().split(/\s+/);
    if (tool !== undefined && tool !== "" && versions.length > 0) tools.set(tool, versions);
  }
  return tools;
}

/** The `[tools]` table of mise's config.toml: strings, lists of strings and `{ version = "…" }`. */
export function parseMiseTools(text: string): ReadonlyMap<string, readonly string[]> {
  const tools = new Map<string, readonly string[]>();
  let inTools = false;
  for (const line of text.split("\n")) {
    const heading = /^\s*\[([^\]]*)\]/.exec(line)?.[1];
    if (heading !== undefined) inTools = heading.trim() === "tools";
    else if (inTools) {
      const [, name, value] = /^\s*"?([^"=]+?)"?\s*=\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined || name.startsWith("#")) continue;
      const versions = value.startsWith("{") ? /\bversion\s*=\s*("[^"]*")/.exec(value)?.[1] : value;
      tools.set(
        name,
        [...(versions ?? "").matchAll(/["']([^"']*)["']/g)].map((match) => match[1] ?? ""),
      );
    }
  }
  return tools;
}
