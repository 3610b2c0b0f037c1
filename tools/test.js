/**
 * Runs the compiled tests and closes with one line that people and CI can read: `N passed, N failed, N skipped`.
 *
 *     node tools/test.js [unit | live | suites | vm]… [PART-OF-A-FILE-NAME]… [-- FLAG-FOR-AVA…]
 *
 * Exit status 1 when a test failed, or when no test passed at all.
 */
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { text } from "node:stream/consumers";
import { tallyDescriptor, tallyVariable } from "./test-tally.js";

const root = path.resolve(import.meta.dirname, "..");

/**
 * Live tests compare the host before and after themselves, so only one of their files runs at a time. The suites of others take
 * many minutes, those of test/vm want a machine of their own: they run where they are named.
 */
const suites = [
  {
    name: "unit",
    concurrency: 2,
    owns: (/** @type {string} */ file) => !/^dist\/test\/(live|escape|suites|vm)\//.test(file),
  },
  {
    name: "live",
    concurrency: 1,
    owns: (/** @type {string} */ file) => /^dist\/test\/(live|escape)\//.test(file),
  },
  {
    name: "suites",
    concurrency: 1,
    owns: (/** @type {string} */ file) => file.startsWith("dist/test/suites/"),
  },
  { name: "vm", concurrency: 1, owns: (/** @type {string} */ file) => file.startsWith("dist/test/vm/") },
];

const { names, filters, avaFlags } = readArguments(process.argv.slice(2));
const files = ["dist/test", "tools/test"]
  .flatMap(testFilesBelow)
  .filter((file) => filters.length === 0 || filters.some((part) => file.includes(part)));
const total = { passed: 0, failed: 0, skipped: 0 };

for (const suite of suites) {
  const owned = files.filter(suite.owns);
  if (names.includes(suite.name) && owned.length > 0) add(await run(suite, owned));
}

if (total.passed + total.failed === 0) console.log("No test ran. Are the tests compiled (npm run build:ts)?");
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

/**
 * @param {(typeof suites)[number]} suite
 * @param {string[]} owned
 * @returns {Promise<import("./test-tally.js").Tally>}
 */
async function run(suite, owned) {
  const ava = path.join(root, "node_modules/ava/entrypoints/cli.mjs");
  const child = spawn(process.execPath, [ava, `--concurrency=${suite.concurrency}`, ...avaFlags, ...owned], {
    cwd: root,
    env: { ...process.env, [tallyVariable]: "1" },
    stdio: ["ignore", "inherit", "inherit", "pipe"],
  });
  const exited = new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      resolve(signal ?? code);
    });
  });
  const written = await text(/** @type {import("node:stream").Readable} */ (child.stdio[tallyDescriptor]));
  const status = await exited;
  const tally = written === "" ? { passed: 0, failed: 0, skipped: 0, silentSkips: [] } : JSON.parse(written);
  // A crash, an uncaught exception or a file without a test has no failed test to its name.
  if (status !== 0 && tally.failed === 0) {
    console.log(`The ${suite.name} tests: ava ended with ${status}.`);
    tally.failed = 1;
  }
  return tally;
}

/** @param {import("./test-tally.js").Tally} tally */
function add({ passed, failed, skipped, silentSkips }) {
  for (const title of silentSkips) console.log(`Skipped without a reason, which counts as failed: ${title}`);
  total.passed += passed;
  total.failed += failed + silentSkips.length;
  total.skipped += skipped - silentSkips.length;
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function testFilesBelow(folder) {
  try {
    return readdirSync(path.join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".test.js"))
      .map((file) => path.join(folder, file))
      .sort();
  } catch {
    return [];
  }
}

/** @param {string[]} argv */
function readArguments(argv) {
  const end = argv.indexOf("--");
  const own = end === -1 ? argv : argv.slice(0, end);
  const known = suites.map((suite) => suite.name);
  const named = own.filter((argument) => known.includes(argument));
  return {
    names: named.length > 0 ? named : ["unit", "live"],
    filters: own.filter((argument) => !known.includes(argument)),
    avaFlags: end === -1 ? [] : argv.slice(end + 1),
  };
}
