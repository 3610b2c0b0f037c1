import type { JsonNode } from "./json.js";
import type { JsonReader, Members } from "./json-reader.js";
import type { Arch } from "./syscall-table.js";

/** What `includes` and `excludes` of a rule are compared with. */
export interface ProfileTarget {
  readonly arch: Arch;
  /** Major and minor version. Absent: newer than any a profile asks for. */
  readonly kernel?: readonly [number, number];
  /** "CAP_…"; a sandboxed program has none, so none is the default. */
  readonly capabilities?: ReadonlySet<string>;
}

/** Go's names, which Docker uses. */
const goArch: Readonly<Record<Arch, string>> = { x64: "amd64", arm64: "arm64" };

const filterKeys = ["arches", "caps", "minKernel"] as const;

/**
 * Whether a rule is for this target, by moby's rules (profiles/seccomp/seccomp_linux.go, setupSeccomp): every entry of `includes` must
 * hold (one of the arches, all of the caps), and none of `excludes` may.
 */
export function applies(read: JsonReader, rule: Members, target: ProfileTarget): boolean {
  const includes = conditions(read, rule.get("includes"), "includes");
  const excludes = conditions(read, rule.get("excludes"), "excludes");
  const arch = goArch[target.arch];
  const hasCap = (cap: string): boolean => target.capabilities?.has(cap) ?? false;
  if (excludes.arches.includes(arch) || excludes.caps.some(hasCap)) return false;
  if (excludes.minKernel !== undefined && reaches(target, excludes.minKernel)) return false;
  if (includes.arches.length > 0 && !includes.arches.includes(arch)) return false;
  if (!includes.caps.every(hasCap)) return false;
  return includes.minKernel === undefined || reaches(target, includes.minKernel);
}

interface Conditions {
  readonly arches: readonly string[];
  readonly caps: readonly string[];
  readonly minKernel?: readonly [number, number];
}

function conditions(read: JsonReader, node: JsonNode | undefined, what: string): Conditions {
  if (node === undefined) return { arches: [], caps: [] };
  const members = read.object(node, what, filterKeys);
  const strings = (key: string, form: RegExp): string[] =>
    read.items(members.get(key), key).map((item) => read.matching(item, key, form));
  const versionNode = members.get("minKernel");
  const lists = { arches: strings("arches", /^[a-z0-9]+$/), caps: strings("caps", /^CAP_[A-Z_]+$/) };
  return versionNode === undefined ? lists : { ...lists, minKernel: version(read, versionNode) };
}

function version(read: JsonReader, node: JsonNode): readonly [number, number] {
  const found = /^([0-9]{1,4})\.([0-9]{1,4})$/.exec(read.string(node, "minKernel"));
  if (found === null) throw read.error(node, '"minKernel" must be two numbers with a dot, as in "4.8"');
  return [Number(found[1]), Number(found[2])];
}

function reaches(target: ProfileTarget, [major, minor]: readonly [number, number]): boolean {
  if (target.kernel === undefined) return true;
  const [hasMajor, hasMinor] = target.kernel;
  return hasMajor > major || (hasMajor === major && hasMinor >= minor);
}
