import { posix } from "node:path";
import type { HostFiles } from "./host-files.js";
import { components, isWithin, walk } from "./walk.js";

/** What is fixed while one command is looked up. Everything but `grants` is the operator's own word. */
export interface Scope {
  readonly files: HostFiles;
  readonly home: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly searchPath: readonly string[];
  /** Both spellings of each, as given and link-free. */
  readonly view: readonly string[];
  readonly grants: readonly string[];
}

/** A directory or a file of the host, and where it appears inside: the same path, or a link that led to it. */
export interface ReadOnlyMount {
  /** Link-free. */
  readonly source: string;
  readonly target: string;
}

/** Inside a grant: whatever is written there may be an attacker's, above all where a link points. */
export function isHostile(scope: Scope, location: string): boolean {
  return scope.grants.some((grant) => isWithin(location, grant));
}

export function isVisible(scope: Scope, location: string): boolean {
  return isHostile(scope, location) || scope.view.some((directory) => isWithin(location, directory));
}

export function isCovered(scope: Scope, mounts: readonly ReadOnlyMount[], location: string): boolean {
  return isVisible(scope, location) || mounts.some(({ target }) => isWithin(location, target));
}

/** Reads a file that decides something, unless a grant had a hand in what it says or in where it lies. */
export function readTrusted(scope: Scope, path: string, limit: number): string | undefined {
  const place = trustedPlace(scope, path);
  return place === undefined ? undefined : scope.files.readStart(place, limit);
}

/** The link-free form of a path of the operator's, or undefined if it lies in a grant or was reached through one. */
export function trustedPlace(scope: Scope, path: string): string | undefined {
  const walked = walk(scope.files, path);
  if (walked === undefined) return undefined;
  return [walked.real, ...walked.links].some((place) => isHostile(scope, place)) ? undefined : walked.real;
}

export function isProgram(files: HostFiles, path: string): boolean {
  const fact = files.stat(path);
  return fact?.kind === "file" && fact.executable;
}

export function bothSpellings(files: HostFiles, directories: readonly string[]): readonly string[] {
  return directories.flatMap((directory) => {
    const normal = posix.resolve("/", directory);
    const real = walk(files, normal)?.real ?? normal;
    return real === normal ? [normal] : [normal, real];
  });
}

const secrets = [
  ".ssh",
  ".gnupg",
  ".aws",
  ".azure",
  ".kube",
  ".docker",
  ".config/gcloud",
  ".config/gh",
  ".mozilla",
  ".config/google-chrome",
  ".config/chromium",
  ".password-store",
  ".local/share/keyrings",
];
/** Nothing below these is an installation; most of them are state or kernel interfaces. */
const systemState = ["/proc", "/sys", "/dev", "/run", "/etc", "/boot", "/var/run"];

/** Why a path must not appear inside on the strength of a layout alone. Undefined: it may. */
export function refusal(scope: Scope, source: string): string | undefined {
  const names = components(source);
  if (names.length < 2) return "it is a top-level directory of the host";
  if (names[0] === "home" && names.length === 2) return "it is a home directory";
  for (const home of bothSpellings(scope.files, [scope.home])) {
    if (isWithin(home, source)) return "it holds the home directory";
    const exposed = secrets.find((name) => overlaps(source, `${home}/${name}`));
    if (exposed !== undefined) return `it overlaps ~/${exposed}`;
  }
  const state = systemState.find((directory) => isWithin(source, directory));
  return state === undefined ? undefined : `it lies in ${state}`;
}

function overlaps(a: string, b: string): boolean {
  return isWithin(a, b) || isWithin(b, a);
}
