import { posix } from "node:path";
import { isLooseFile, recognise } from "./layouts.js";
import { type Problem, grantHint, unrecognised } from "./problem.js";
import {
  type ReadOnlyMount,
  type Scope,
  isCovered,
  isHostile,
  isVisible,
  readTrusted,
  refusal,
} from "./scope.js";
import { type Hop, isWithin, walk } from "./walk.js";

/** Inside, a hop can be called by its name if every link from it on lies in something that is there. */
export function isReachable(scope: Scope, mounts: readonly ReadOnlyMount[], chain: readonly Hop[]): boolean {
  return chain.every(
    (hop, index) =>
      isCovered(scope, mounts, hop.location) &&
      (index === 0 || hop.directoryLinks.every((link) => isCovered(scope, mounts, link))),
  );
}

export interface Coverage {
  readonly mounts: readonly ReadOnlyMount[];
  readonly notes: readonly string[];
  /** A link in a grant had a say in which file this is, or the file itself lies in one. */
  readonly hostile: boolean;
}

interface Reference {
  readonly hostile: boolean;
  /** What the operator's own PATH, without the grants in it, leads to for a name. */
  readonly leadsTo: (name: string) => Added | undefined;
}

/** What has to be mounted so that the chain holds inside. */
export function cover(scope: Scope, chain: readonly Hop[], reference: Reference): Coverage | Problem {
  const mounts: ReadOnlyMount[] = [];
  const notes: string[] = [];
  let hostile = reference.hostile;
  for (const [index, hop] of chain.entries()) {
    hostile ||= hop.directoryLinks.some((link) => isHostile(scope, link));
    const isLast = index === chain.length - 1;
    if (isSnap(hop.location)) return snapProblem(hop.location);
    if (!isCovered(scope, mounts, hop.location)) {
      const added = hostile
        ? admitted(scope, hop.location, reference)
        : installation(scope, hop.location, isLast);
      if (!("problem" in added)) {
        mounts.push(...added.mounts);
        notes.push(...added.notes);
      } else if (isLast) return added;
    }
    // Of an installation that is mounted in parts, it may be in none.
    if (isLast && !isCovered(scope, mounts, hop.location)) {
      return unrecognised(
        `${hop.location} is in no part of its installation that is added`,
        grantHint(hop.location),
      );
    }
    mounts.push(...aliases(scope, mounts, hop));
    hostile ||= isHostile(scope, hop.location);
  }
  return { mounts, notes, hostile };
}

/** Mounts, and why. */
export type Added = Pick<Coverage, "mounts" | "notes">;

/** For a location that the operator named, by PATH, argv or links of his own. */
function installation(scope: Scope, location: string, isLast: boolean): Added | Problem {
  const found = isLooseFile(scope, location) ? undefined : recognise(scope, location);
  const sources = found?.directories ?? (isLast ? [location] : []);
  if (found === undefined && isLast && looksLikePrefix(scope, location)) {
    const prefix = posix.dirname(posix.dirname(location));
    return unrecognised(
      `${location} belongs to an installation at ${prefix} whose layout skillbox does not know`,
      grantHint(prefix),
    );
  }
  for (const source of sources) {
    const reason = refusal(scope, source);
    if (reason !== undefined) {
      return unrecognised(
        `${location} is outside the view, and ${source} is not added: ${reason}`,
        grantHint(source),
      );
    }
  }
  const mounts = sources.map((source) => ({ source, target: source }));
  const base = found === undefined ? { mounts: [], notes: [] } : venvBase(scope, found.prefix);
  const notes =
    sources.length === 0
      ? []
      : [`${found?.prefix ?? location} is added read-only (${found?.layout ?? "one file"})`];
  return { mounts: [...mounts, ...base.mounts], notes: [...notes, ...base.notes] };
}

/** lib beside bin: one file of it would not run, and how much of the parent belongs to it is anybody's guess. */
function looksLikePrefix(scope: Scope, location: string): boolean {
  const directory = posix.dirname(location);
  if (posix.basename(directory) !== "bin" || isLooseFile(scope, location)) return false;
  return scope.files.stat(`${posix.dirname(directory)}/lib`)?.kind === "directory";
}

/** Python finds its library through `home =`, which uv writes with a link for the minor version in it. */
function venvBase(scope: Scope, prefix: string): Added {
  const home = /^home\s*=\s*(\/.*?)\s*$/m.exec(readTrusted(scope, `${prefix}/pyvenv.cfg`, 4096) ?? "")?.[1];
  const walked = home === undefined ? undefined : walk(scope.files, home);
  if (walked === undefined) return { mounts: [], notes: [] };
  const location = `${walked.real}/python`;
  if (walked.links.some((link) => isHostile(scope, link)) || isVisible(scope, location))
    return { mounts: [], notes: [] };
  if (isWithin(location, prefix) || recognise(scope, location) === undefined)
    return { mounts: [], notes: [] };
  const added = installation(scope, location, false);
  if ("problem" in added) return { mounts: [], notes: [added.message] };
  const linked = aliases(scope, added.mounts, { location, directoryLinks: walked.links });
  return { mounts: [...added.mounts, ...linked], notes: added.notes };
}

/** For a location that a grant's content points at: only if the operator's PATH leads there for the same kind of name. */
function admitted(scope: Scope, location: string, reference: Reference): Added | Problem {
  for (const name of new Set([posix.basename(location), "python3", "python", "node"])) {
    const added = reference.leadsTo(name);
    if (added?.mounts.some(({ source }) => isWithin(location, source))) return added;
  }
  return unrecognised(
    `${location} was chosen by a file inside a grant, and the operator's PATH does not lead there`,
    grantHint(recognise(scope, location)?.prefix ?? location),
  );
}

/** A link that stands for a whole installation (uv's cpython-3.12-linux-…) appears inside as the installation itself. */
function aliases(scope: Scope, mounts: readonly ReadOnlyMount[], hop: Hop): readonly ReadOnlyMount[] {
  return hop.directoryLinks.flatMap((link) => {
    const source = walk(scope.files, link)?.real;
    const isAdded = mounts.some((mount) => mount.source === source);
    if (source === undefined || !isAdded || isCovered(scope, mounts, link)) return [];
    return recognise(scope, link)?.prefix === link ? [{ source, target: link }] : [];
  });
}

function isSnap(location: string): boolean {
  return ["/snap", "/var/lib/snapd"].some((directory) => isWithin(location, directory));
}

function snapProblem(location: string): Problem {
  return unrecognised(
    `${location} is a snap, which only snapd can start: it needs its own mounts and a set-id helper`,
    "install the program from a package or an archive instead",
  );
}
