import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { SkillboxError } from "../errors.js";
import { packageRoot } from "../package-root.js";

/**
 * Builds the native part on this machine, for one that no prebuild fits (an older glibc). node-gyp comes from the checkout, or from
 * npm, which brings it. Returns the exit status.
 */
export function buildNative(): number {
  const headers = resolve(process.execPath, "../..");
  const known = existsSync(join(headers, "include/node/node_api.h")) ? [`--nodedir=${headers}`] : [];
  const { status, error } = spawnSync(process.execPath, [nodeGyp(), "rebuild", "--jobs=max", ...known], {
    cwd: packageRoot(),
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status === 0) return 0;
  throw new SkillboxError(
    "ERR_HOST",
    `the native part could not be built: ${error?.message ?? `exit status ${String(status)}`}`,
    {
      hint: "it needs g++ 10 or newer, make and python3: apt-get install g++ make python3",
    },
  );
}

function nodeGyp(): string {
  const prefix = resolve(process.execPath, "../..");
  const npm = process.env["npm_execpath"];
  const places = [
    join(packageRoot(), "package.json"),
    ...(npm === undefined ? [] : [npm]),
    join(prefix, "lib/node_modules/npm/package.json"),
    join(prefix, "share/nodejs/npm/package.json"),
  ];
  for (const place of places) {
    try {
      return join(dirname(createRequire(place).resolve("node-gyp/package.json")), "bin/node-gyp.js");
    } catch {
      // Not there: the next one.
    }
  }
  throw new SkillboxError("ERR_HOST", "node-gyp is not there to build the native part with", {
    hint: "run `npm exec -- skillbox build-native`, which finds npm's own",
  });
}
