import { z } from "zod";
import type { Seen } from "./findings.js";
import type { Inventory } from "./inventory.js";
import { boundedList, boundedText, bounds } from "./report-bounds.js";
import type { ScanReport } from "./scan-report.js";

const file = ".skillhub/metadata.json";
const name = z.string().min(1);
const schema = z.looseObject({
  registry: name,
  namespace: name,
  slug: name,
  version: name,
  versionId: z.union([name, z.int()]),
  files: z.record(z.string(), z.string().regex(/^[0-9a-fA-F]{64}$/)),
});

export interface Installed {
  readonly registry: ScanReport["skill"]["registry"];
  readonly seen: readonly Seen[];
}

/** What an installed skill says of where it is from, held against the files that are there. */
export function installedFrom({ files }: Inventory): Installed {
  const text = files.find(({ path }) => path === file)?.text;
  if (text === undefined) return { registry: undefined, seen: [] };
  const read = schema.safeParse(parsed(text));
  if (!read.success) return { registry: undefined, seen: [sighting(file, `${file} cannot be read`)] };
  const published = new Map(
    Object.entries(read.data.files).map(([path, sha256]) => [path, sha256.toLowerCase()]),
  );
  const own = files.filter(({ path }) => !path.startsWith(".skillhub/"));
  const there = new Set(own.map(({ path }) => path));
  const differing = [
    ...own
      .filter(({ path, sha256 }) => published.get(path) !== sha256)
      .map(({ path }) => [path, published.has(path) ? "was changed" : "was added"] as const),
    ...[...published.keys()]
      .filter((path) => !there.has(path) && !path.split("/").includes("node_modules"))
      .map((path) => [path, "is missing"] as const),
  ];
  const { registry, namespace, slug, version, versionId } = read.data;
  const short = (value: string): string => boundedText(value, bounds.name);
  return {
    registry: {
      registry: short(registry),
      namespace: short(namespace),
      slug: short(slug),
      version: short(version),
      versionId: boundedText(String(versionId), 64),
      verified: differing.length === 0,
      differing: boundedList(
        differing.map(([path]) => boundedText(path, bounds.path)),
        bounds.notices,
      ),
    },
    seen: differing.map(([path, what]) => sighting(path, `${path} ${what}`)),
  };
}

function sighting(path: string, what: string): Seen {
  return { rule: "SBX706", file: path, subject: [path], what };
}

/** Undefined for what is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
