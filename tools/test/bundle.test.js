import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import test from "ava";

const bundle = path.resolve(import.meta.dirname, "../../dist/bundle/cli");

/**
 * The packages that are parsed before the file's own code can run: its own, and those of all that it imports.
 *
 * @param {string} file
 * @param {Set<string>} seen
 * @returns {string[]}
 */
function packagesLoadedBy(file, seen = new Set()) {
  if (seen.has(file)) return [];
  seen.add(file);
  const code = readFileSync(path.join(bundle, file), "utf8");
  const own = [...code.matchAll(/^\/\/ .*?node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)].map(
    ([, name]) => name ?? "",
  );
  const imported = [...code.matchAll(/^(?:import|export)\b[^;]*?"\.\/([^"]+)";$/gm)].map(
    ([, name]) => name ?? "",
  );
  return [...new Set([...own, ...imported.flatMap((name) => packagesLoadedBy(name, seen))])].sort();
}

/** @param {string} command */
function chunkOf(command) {
  const name = readdirSync(bundle).find((file) => new RegExp(`^${command}-[^-]+\\.js$`).test(file));
  if (name === undefined) throw new Error(`The bundle has no chunk for ${command}: is it imported lazily?`);
  return name;
}

// zod alone costs more than a whole run of a small program.
test("a run without a policy file parses no policy library", (t) => {
  t.deepEqual(packagesLoadedBy("main.js"), ["commander"]);
  t.deepEqual(packagesLoadedBy(chunkOf("exec")), []);
});

test("reading a policy file is what loads them", (t) => {
  t.deepEqual(packagesLoadedBy(chunkOf("load")), ["yaml", "zod"]);
});
