#!/usr/bin/env node
"use strict";
// Loads the command line tool that tools/bundle.js has made, and no more than a command needs. CommonJS: Node's loader for ES modules
// costs 4 ms before it has read anything. V8's compiled code of each script is kept beside it and read back by the next start,
// which saves the parsing, 15 ms. Whoever can write there can write the script itself, so that nothing is won by poisoning it; a
// cache elsewhere (/tmp, ~/.cache) might be in reach of a program that a policy lets write there.
const { readFileSync, renameSync, writeFileSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { pathToFileURL } = require("node:url");
const { Script } = require("node:vm");

/** @typedef {{ exports: object }} Module */
/** @typedef {(exports: object, require: (id: string) => unknown, module: Module, url: string) => void} Chunk */

const directory = join(dirname(__dirname), "dist/bundle/cli");

/** What `import.meta.url` is, in all of them. */
const url = pathToFileURL(join(directory, "start.cjs")).href;

/** @type {Map<string, Module>} */
const modules = new Map();

/** Used by few runs, and 8 ms to load: when somebody asks for a member. */
const rarelyUsed =
  /^(?:node:)?(?:child_process|crypto|dgram|dns|fs\/promises|net|stream|stream\/promises|timers\/promises|tty|util)$/;

/** @param {string} id @returns {unknown} */
function load(id) {
  if (!id.startsWith("./")) return rarelyUsed.test(id) ? lazily(id) : require(id);
  const known = modules.get(id);
  if (known !== undefined) return known.exports;
  const module = { exports: {} };
  modules.set(id, module);
  const chunk = start.chunks[id] ?? run(id);
  chunk(module.exports, load, module, url);
  return module.exports;
}

/** @param {string} id @returns {object} */
function lazily(id) {
  return new Proxy(
    {},
    {
      get: (_, member) => Reflect.get(require(id), member),
      has: (_, member) => Reflect.has(require(id), member),
      ownKeys: () => Reflect.ownKeys(require(id)),
      getOwnPropertyDescriptor: (_, member) => {
        const found = Reflect.getOwnPropertyDescriptor(require(id), member);
        return found && { ...found, configurable: true };
      },
    },
  );
}

/** @param {string} name @returns {any} what the script evaluates to */
function run(name) {
  const filename = join(directory, name);
  const source = readFileSync(filename, "latin1");
  // V8 compares its own version and flags and the length of the source; that the source is the same says the hash that it begins with.
  const cache = `${filename}.${source.slice(2, 18)}-${process.arch}.cache`;
  const cachedData = readCache(cache);
  const script = new Script(source, { filename, ...(cachedData && { cachedData }) });
  if (cachedData === undefined || script.cachedDataRejected === true) {
    if (uncached.length === 0) process.once("exit", writeCaches);
    uncached.push([cache, script]);
  }
  return script.runInThisContext();
}

/** @type {[string, Script][]} */
const uncached = [];

/** At the end, when all that a run of a program needs is compiled. */
function writeCaches() {
  if (!Object.keys(start.chunks).every((id) => modules.has(id))) return;
  for (const [file, script] of uncached) writeCache(file, script.createCachedData());
}

/** @param {string} file */
function readCache(file) {
  try {
    return readFileSync(file);
  } catch {
    return undefined; // there is none yet
  }
}

/** @param {string} file @param {Buffer} data */
function writeCache(file, data) {
  const unfinished = `${file}.${process.pid}`;
  try {
    writeFileSync(unfinished, data, { flag: "wx", mode: 0o644 });
    renameSync(unfinished, file);
  } catch {
    // Somebody else's installation, or a full disk: it stays as fast as it was.
  }
}

/** @type {{ main: string, chunks: Record<string, Chunk> }} */
let start;
try {
  start = run("start.cjs");
} catch (error) {
  if (!(error instanceof Error) || !("code" in error) || error.code !== "ENOENT") throw error;
  process.stderr.write(
    "skillbox: error: the command line tool is not built\n" +
      "  hint: run `npm ci` in the checkout, or `npm run build` after a change\n",
  );
  process.exit(125);
}
load(start.main);
