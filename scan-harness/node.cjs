/* global process, console */
"use strict";
// Runs a skill's JavaScript under observation: node node.cjs MARK PHASE FILE [ARG...].
const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [mark, phase, file, ...rest] = process.argv.slice(2);
const seen = new Set();

function note(what, more = {}) {
  const line = JSON.stringify({ what, ...more });
  if (seen.has(line) || seen.size > 500) return;
  seen.add(line);
  try {
    fs.writeSync(2, `${mark}${line.slice(0, 2000)}\n`);
  } catch {
    // Its stderr is its own to close.
  }
}

for (const name of ["setTimeout", "setInterval"]) {
  const original = globalThis[name];
  globalThis[name] = (callback, delay, ...args) => {
    if (delay > 5000) note("sleep", { seconds: delay / 1000 });
    return original(callback, Math.min(delay ?? 0, 20), ...args);
  };
}
const vm = require("node:vm");
const evaluate = globalThis.eval;
globalThis.eval = (code) => {
  note("exec");
  return evaluate(code);
};
void vm;

function sample(name) {
  if (/url/i.test(name)) return "https://example.com/";
  if (/path|file|src|dest|input|output/i.test(name)) return "/tmp/sample.txt";
  if (/count|size|limit|port|^n$/i.test(name)) return 1;
  if (/options|config|params|payload/i.test(name)) return { key: "value" };
  return "sample";
}

async function call(value) {
  const [, names = ""] = /\(([^)]*)\)/.exec(Function.prototype.toString.call(value)) ?? [];
  const values = names
    .split(",")
    .filter((part) => part.trim() !== "")
    .map((part) => sample(part.trim()));
  try {
    await value(...values);
  } catch (error) {
    if (error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND") throw error;
  }
  note("called", { function: value.name });
}

fs.writeFileSync("/tmp/sample.txt", "a,b\n1,2\n");
process.argv = [process.argv[0], path.resolve(file), ...rest];
(async () => {
  const whole = path.resolve(file);
  let loaded;
  if (phase === "main" && !/\.mjs$/.test(file)) {
    const Module = require("node:module");
    try {
      Module.runMain?.(whole);
      return;
    } catch (error) {
      if (error?.code !== "ERR_REQUIRE_ESM" && !(error instanceof SyntaxError)) throw error;
    }
  }
  loaded = await import(pathToFileURL(whole).href);
  if (phase !== "function") return;
  const exported = new Set([...Object.values(loaded), ...Object.values(loaded.default ?? {})]);
  for (const value of exported) {
    if (typeof value === "function" && !/^class\s/.test(Function.prototype.toString.call(value)))
      await call(value);
  }
})().catch((error) => {
  if (error?.code === "ERR_MODULE_NOT_FOUND" || error?.code === "MODULE_NOT_FOUND")
    note("missing", { module: String(error.message).slice(0, 200) });
  console.error(error);
  process.exitCode = 1;
});
