// Runs node's own tests, each in a process and a directory of its own, and writes one line a test to ./results: its name, a tab, and "passed",
// "failed" or "skipped".
//
//     run-node-tests.mjs FOLDER PREFIX…
import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";

const [folder, ...prefixes] = process.argv.slice(2);
const waiting = readdirSync(folder).filter((file) => prefixes.some((prefix) => file.startsWith(prefix)));
writeFileSync("results", "");
await Promise.all(Array.from({ length: 4 }, worker));

async function worker() {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const outcome = await run(file);
    appendFileSync("results", `${path.parse(file).name}\t${outcome}\n`);
  }
}

/** As test/common/tmpdir.js has it, which makes its own directory in the one that is named. */
async function run(file) {
  const own = mkdtempSync(path.resolve("node-test-"));
  const child = spawn(process.execPath, ["--expose-internals", path.join(folder, file)], {
    env: { ...process.env, NODE_TEST_DIR: own },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  let written = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => (written = (written + chunk).slice(-20_000)));
  }
  const status = await new Promise((resolve) => {
    child.once("close", (code, signal) => {
      resolve(signal ?? code);
    });
  });
  rmSync(own, { recursive: true, force: true });
  if (status === 0) return /^1\.\.0 # Skipped/m.test(written) ? "skipped" : "passed";
  process.stderr.write(`==> ${file} ended with ${status}\n${written}\n`);
  return "failed";
}
