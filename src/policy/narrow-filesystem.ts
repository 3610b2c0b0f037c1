import { startingPolicy } from "./default.js";
import type { Refusal } from "./narrow.js";
import { pathContains } from "./paths.js";
import type { FilesystemPolicy, PathGrant } from "./policy.js";
import { formatSize } from "./units.js";

/** Each holds what those before it hold; an overlay's changes do not reach the host. */
const modes = ["read", "overlay", "write"] as const;
type Mode = (typeof modes)[number];

interface ModedGrant {
  readonly mode: Mode;
  readonly grant: PathGrant;
}

/**
 * The grants of both. At any path the innermost grant around it holds, as with mounts one upon another, so that a ceiling
 * with `write: [/a]` and `read: [/a/b]` lets nobody write to /a/b. What is denied by either is denied.
 */
export function narrowFilesystem(
  ceiling: FilesystemPolicy,
  request: FilesystemPolicy,
  refused: Refusal[],
): FilesystemPolicy {
  refuseRoot(ceiling, request, refused);
  const given = narrowGrants(grantsOf(ceiling), grantsOf(request), refused);
  const ofMode = (wanted: Mode) => given.filter(({ mode }) => mode === wanted).map(({ grant }) => grant);
  return {
    root: ceiling.root,
    read: ofMode("read"),
    write: ofMode("write"),
    overlay: ofMode("overlay"),
    deny: uniteByPath(ceiling.deny, request.deny),
    tmpBytes: Math.min(ceiling.tmpBytes, request.tmpBytes),
  };
}

function refuseRoot(ceiling: FilesystemPolicy, request: FilesystemPolicy, refused: Refusal[]): void {
  const start = startingPolicy().filesystem;
  const nobodysLine = { askedAt: undefined, decidedBy: undefined };
  if (request.root !== ceiling.root && request.root !== start.root)
    refused.push({
      subject: "filesystem.root",
      asked: request.root,
      given: ceiling.root,
      reason: "the root is the ceiling's to choose",
      ...nobodysLine,
    });
  if (request.tmpBytes > ceiling.tmpBytes && request.tmpBytes !== start.tmpBytes)
    refused.push({
      subject: "filesystem.tmp",
      asked: formatSize(request.tmpBytes),
      given: formatSize(ceiling.tmpBytes),
      reason: `the ceiling's limit is ${formatSize(ceiling.tmpBytes)}`,
      ...nobodysLine,
    });
}

function narrowGrants(
  ceiling: readonly ModedGrant[],
  request: readonly ModedGrant[],
  refused: Refusal[],
): readonly ModedGrant[] {
  const given: ModedGrant[] = [];
  for (const asked of request) {
    const around = innermost(ceiling, asked.grant.path);
    const mode = around === undefined ? undefined : weaker(asked.mode, around.mode);
    if (mode !== undefined) given.push({ mode, grant: asked.grant });
    if (mode !== asked.mode) refused.push(refusal(asked, mode, around, insideOf(ceiling, asked)));
  }
  // Where the ceiling draws a line inside what was asked, the line is kept: outer lines first, which may make inner ones
  // superfluous.
  const lines = ceiling.toSorted((a, b) => a.grant.path.length - b.grant.path.length);
  for (const inner of lines) {
    const { path } = inner.grant;
    const asked = innermost(request, path);
    if (asked === undefined || asked.grant.path === path) continue;
    const mode = weaker(asked.mode, inner.mode);
    const already = innermost(given, path);
    if (already?.mode === mode) continue;
    given.push({ mode, grant: inner.grant });
    if (already !== undefined && rank(mode) < rank(already.mode))
      refused.push(
        refusal({ mode: asked.mode, grant: { ...asked.grant, path, written: path } }, mode, inner, []),
      );
  }
  return given;
}

function refusal(
  asked: ModedGrant,
  mode: Mode | undefined,
  around: ModedGrant | undefined,
  inside: readonly ModedGrant[],
): Refusal {
  const { path, written, origin } = asked.grant;
  const parts = inside.map((inner) => `${weaker(asked.mode, inner.mode)} ${inner.grant.path}`);
  const reason =
    around !== undefined
      ? `the ceiling grants ${around.grant.path} for ${around.mode} only`
      : parts.length > 0
        ? `the ceiling grants only parts of ${path}`
        : `no grant of the ceiling contains ${path}`;
  return {
    subject: `filesystem.${asked.mode}`,
    asked: written,
    given: mode === undefined ? (parts.length > 0 ? parts.join(", ") : undefined) : `${mode} ${path}`,
    reason,
    askedAt: origin,
    decidedBy: (around ?? inside[0])?.grant.origin,
  };
}

/** The grants of the ceiling below what was asked. */
function insideOf(ceiling: readonly ModedGrant[], asked: ModedGrant): readonly ModedGrant[] {
  return ceiling.filter(({ grant }) => pathContains(asked.grant.path, grant.path));
}

/** The grant that holds at a path: the innermost around it and, of two for the same path, the stronger. */
function innermost(grants: readonly ModedGrant[], path: string): ModedGrant | undefined {
  let found: ModedGrant | undefined;
  for (const candidate of grants) {
    if (!pathContains(candidate.grant.path, path)) continue;
    const deeper = candidate.grant.path.length - (found?.grant.path.length ?? -1);
    if (found === undefined || deeper > 0 || (deeper === 0 && rank(candidate.mode) > rank(found.mode)))
      found = candidate;
  }
  return found;
}

function weaker(a: Mode, b: Mode): Mode {
  return rank(a) <= rank(b) ? a : b;
}

function rank(mode: Mode): number {
  return modes.indexOf(mode);
}

function grantsOf(filesystem: FilesystemPolicy): readonly ModedGrant[] {
  return modes.flatMap((mode) => filesystem[mode].map((grant) => ({ mode, grant })));
}

function uniteByPath(ceiling: readonly PathGrant[], request: readonly PathGrant[]): readonly PathGrant[] {
  const known = new Set(ceiling.map(({ path }) => path));
  return [...ceiling, ...request.filter(({ path }) => !known.has(path))];
}
