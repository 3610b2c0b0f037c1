import { relative, resolve } from "node:path";

import { quoted } from "./display.js";
import type { Parsed } from "./parsed.js";

/** PATH_MAX of Linux without its terminating NUL (linux/limits.h). */
const longestPath = 4095;

/** What holds for every path in a policy, before it is resolved: nothing in it is expanded, as a shell would. */
export function checkPath(written: string): string | undefined {
  if (written === "") return "a path cannot be empty";
  if (written.includes("\0")) return `${quoted(written)}: a path cannot hold a NUL character`;
  if (written.startsWith("~"))
    return `${quoted(written)}: \`~\` is not expanded; write the absolute path, or ${quoted(`./${written}`)} for a file of that name`;
  if (/^\$(\{|[A-Za-z_])/.test(written))
    return `${quoted(written)}: variables are not expanded; write the absolute path`;
  if (Buffer.byteLength(written) > longestPath) return "a path cannot be longer than 4095 bytes";
  return undefined;
}

/** The absolute, lexically normal form of a path that has passed {@link checkPath}. No file is looked at. */
export function resolvePath(written: string, baseDirectory: string): string {
  return resolve(baseDirectory, written);
}

/**
 * Like {@link resolvePath}, for what a policy grants: a relative path must stay below the policy's directory, so that a
 * policy that travels with a skill says openly what it asks for elsewhere.
 */
export function resolveGrant(written: string, baseDirectory: string): Parsed<string> {
  const path = resolvePath(written, baseDirectory);
  const leadsOut = !written.startsWith("/") && /^\.\.(\/|$)/.test(relative(baseDirectory, path));
  if (leadsOut)
    return {
      problem: `${quoted(written)} leads out of the policy's directory; if that is meant, write ${quoted(path, 200)}`,
    };
  return { value: path };
}

/** Whether `inner` is `outer` or lies below it; both absolute and normal. Compared by component: /a is not above /ab. */
export function pathContains(outer: string, inner: string): boolean {
  return outer === "/" || inner === outer || inner.startsWith(`${outer}/`);
}
