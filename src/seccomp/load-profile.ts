import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SkillboxError } from "../errors.js";
import { parseProfile } from "./parse-profile.js";
import type { ProfileTarget } from "./profile-target.js";
import type { SeccompProfile } from "./profile.js";

/** The profiles that come with skillbox. */
export const builtInProfiles = ["default", "strict"] as const;

/** Larger than any profile that fits 4096 instructions. */
const maxProfileBytes = 4 << 20;

/**
 * A profile by the name of a built-in one ("default", "strict") or by the path of a file in the OCI format.
 *
 * @throws SkillboxError ERR_POLICY when the file cannot be read or is no valid profile.
 */
export function loadProfile(nameOrPath: string, target: ProfileTarget): SeccompProfile {
  const builtIn = builtInProfiles.find((name) => name === nameOrPath);
  const file =
    builtIn === undefined ? nameOrPath : join(packageRoot(), "seccomp-profiles", `${builtIn}.json`);
  return parseProfile({ file, text: readText(file) }, target);
}

function readText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new SkillboxError("ERR_POLICY", `${file}: the seccomp profile cannot be read`, { cause });
  }
  if (bytes.byteLength > maxProfileBytes) {
    throw new SkillboxError(
      "ERR_POLICY",
      `${file}: a seccomp profile of ${String(bytes.byteLength)} bytes is too large`,
    );
  }
  return bytes.toString("utf8");
}

/** The same from dist/src/seccomp/ and from a bundle at dist/: the nearest directory above that is a package. */
function packageRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) {
    const parent = dirname(directory);
    if (parent === directory)
      throw new SkillboxError("ERR_INTERNAL", "skillbox is not inside its own package");
    directory = parent;
  }
  return directory;
}
