/**
 * Bundles the command line tool for its start-up time. What `skillbox exec` needs without a policy file becomes one script; what a
 * command loads with `await import()` beyond that (zod, yaml, the gateway) a script each, so that a run that does not need it never
 * reads it. bin/skillbox.js loads them.
 *
 * The scripts lie as deep as dist/src/cli, so that a search upwards for the package's root works in both.
 */
import { createHash } from "node:crypto";
import { copyFile, mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { build, transform } from "esbuild";
import { encodeAuditTables } from "../dist/src/audit/encode-tables.js";
import { tablesFile } from "../dist/src/audit/tables.js";
import { auditLevels } from "../dist/src/policy/policy.js";
import { choiceInput } from "../dist/src/sandbox/filter-input.js";
import { compileFilter } from "../dist/src/seccomp/filter.js";
import { builtInProfiles } from "../dist/src/seccomp/load-profile.js";
import { encodeFilter, filterFile } from "../dist/src/seccomp/precompiled.js";
import { architectures } from "../dist/src/seccomp/syscall-table.js";

const root = path.resolve(import.meta.dirname, "..");
const outdir = path.join(root, "dist/bundle/cli");
const filters = path.join(root, "dist/bundle/filters");
const tables = path.join(root, "dist/bundle/tables");

const { outputFiles, metafile } = await build({
  absWorkingDir: root,
  entryPoints: ["src/cli/main.ts"],
  outdir,
  bundle: true,
  splitting: true,
  write: false,
  metafile: true,
  format: "esm",
  platform: "node",
  target: "node20",
  // pino starts worker threads from files of its own.
  external: ["pino"],
  define: {
    builtFilters: JSON.stringify(path.relative(root, filters)),
    builtTables: JSON.stringify(path.relative(root, tables)),
  },
  plugins: [
    {
      name: "english",
      setup: ({ onLoad }) => onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, englishOnly),
    },
  ],
  logLevel: "warning",
});

const atStart = loadedAtStart();
/** @type {string[]} */
const together = [];
await rm(outdir, { recursive: true, force: true });
await mkdir(outdir, { recursive: true });
for (const file of outputFiles) {
  const id = idOf(file.path);
  const code = await asFunction(file.text);
  if (atStart.has(id)) together.push(`${JSON.stringify(id)}:${code}`);
  else await write(id, code);
}
await write("start.cjs", `({main:"./main.js",chunks:{${together.join(",\n")}}})`);

await writeFilters();
await writeTables();

/** Of zod's 50 languages, a third of what it is, we speak one. */
function englishOnly() {
  return { contents: 'export { default as en } from "./en.js";' };
}

/** What src/audit/tables.ts reads. */
async function writeTables() {
  await rm(tables, { recursive: true, force: true });
  await mkdir(tables, { recursive: true });
  for (const arch of architectures)
    await writeFile(path.join(tables, tablesFile(arch)), encodeAuditTables(arch));
}

/** Of every built-in profile, for every audit level: src/seccomp/precompiled.ts reads them. */
async function writeFilters() {
  await rm(filters, { recursive: true, force: true });
  await mkdir(filters, { recursive: true });
  for (const profile of builtInProfiles) {
    await copyFile(
      path.join(root, `seccomp-profiles/${profile}.json`),
      path.join(filters, `${profile}.json`),
    );
    for (const arch of architectures) {
      for (const level of auditLevels) {
        for (const outward of [false, true]) {
          const choice = { profile, arch, level, outward };
          await writeFile(
            path.join(filters, filterFile(choice)),
            encodeFilter(compileFilter(choiceInput(choice))),
          );
        }
      }
    }
  }
}

/** The entry point, the chunk of `exec`, and all that these import. */
function loadedAtStart() {
  const ids = new Set(["./main.js"]);
  for (const { path: name } of importsOf("./main.js")) {
    if (/^\.\/exec-[^-]+\.js$/.test(idOf(name))) ids.add(idOf(name));
  }
  // A set that grows is walked to its end.
  for (const id of ids) {
    for (const { kind, path: name } of importsOf(id)) if (kind === "import-statement") ids.add(idOf(name));
  }
  return ids;
}

/** @param {string} id */
function importsOf(id) {
  const output = Object.entries(metafile.outputs).find(([name]) => idOf(name) === id);
  return output?.[1].imports.filter(({ external }) => external !== true) ?? [];
}

/** @param {string} name */
function idOf(name) {
  return `./${path.basename(name)}`;
}

/**
 * Of the form that bin/skillbox.js calls.
 *
 * @param {string} text an ES module
 */
async function asFunction(text) {
  const { code } = await transform(text, {
    format: "cjs",
    platform: "node",
    target: "node20",
    supported: { "dynamic-import": false },
    define: { "import.meta.url": "__url" },
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: "none",
    // The loader reads one byte a character.
    charset: "ascii",
  });
  return `(function(exports,require,module,__url){${code}})`;
}

/** With a hash in front, by which compiled code is known to belong to it. @param {string} name @param {string} code */
async function write(name, code) {
  const hash = createHash("sha256").update(code).digest("hex").slice(0, 16);
  await writeFile(path.join(outdir, name), `//${hash}\n${code}`);
}
