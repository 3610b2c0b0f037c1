/**
 * Bundles the command line tool for its start-up time: one file read instead of some hundred. What a command loads
 * with `await import()` (zod, yaml, commander) stays in chunks of its own, so that a run without a policy file
 * never parses them.
 *
 * The output lies as deep as dist/src/cli, so that `new URL("../../../…", import.meta.url)` in src/LAYER/FILE.ts
 * means the package's root in both.
 */
import { rm } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";

const root = path.resolve(import.meta.dirname, "..");
const outdir = path.join(root, "dist/bundle/cli");

await rm(outdir, { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: ["src/cli/main.ts"],
  outdir,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  // pino starts worker threads from files of its own; node-gyp-build requires the addon by a path known at run time.
  external: ["pino", "node-gyp-build"],
  // The CommonJS packages inside still call require() for node's own modules.
  banner: {
    js: 'import { createRequire as createRequireOfBundle } from "node:module"; const require = createRequireOfBundle(import.meta.url);',
  },
  sourcemap: "linked",
  sourcesContent: false,
  logLevel: "warning",
});
