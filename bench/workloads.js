/** Real programs with the default audit on record, beside the same under others with none. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { sandbox } from "../dist/src/index.js";
import { interleaved, spawned, timed } from "./measure.js";
import { underPeers } from "./peers.js";
import { startRegistry } from "./registry.js";

/**
 * @typedef {object} Work
 * @property {string} what
 * @property {readonly string[]} argv its working directory is a copy of its own of what `prepare` made, which it may write to
 * @property {string} needs the program to look for
 * @property {number} [port] of the host's loopback
 * @property {() => void} [clear] removes what the run before has left, outside the measured time
 */

/** @param {import("./bench.js").Bench} bench */
export async function workloads(bench) {
  const folder = mkdtempSync(path.join(bench.folder, "work-"));
  const registry = await startRegistry(path.join(bench.folder, "registry"));
  try {
    for (const work of await works(folder, registry)) {
      if (await isInstalled(work.needs)) await compare(bench, work, folder);
      else bench.omit(work.what, `${work.needs} is not installed`);
    }
  } finally {
    registry.stop();
  }
}

/**
 * @param {string} folder
 * @param {Awaited<ReturnType<typeof startRegistry>>} registry
 * @returns {Promise<readonly Work[]>}
 */
async function works(folder, registry) {
  const remove = (/** @type {readonly string[]} */ ...names) => {
    for (const name of names) rmSync(path.join(folder, name), { recursive: true, force: true });
  };
  writeFileSync(path.join(folder, "package.json"), JSON.stringify({ dependencies: registry.dependencies }));
  writeFileSync(path.join(folder, "main.c"), program());
  await makeRepository(path.join(folder, "repository.git"));
  const npm = [
    "npm",
    "install",
    `--registry=${registry.url}`,
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
  ];
  return [
    {
      what: "python3, 4 imports",
      needs: "python3",
      argv: ["python3", "-c", "import json, csv, sqlite3, subprocess"],
    },
    { what: "gcc -O2, 80 functions", needs: "gcc", argv: ["gcc", "-O2", "-o", "program", "main.c"] },
    {
      what: "git clone, 300 files, 30 commits",
      needs: "git",
      argv: ["git", "clone", "--quiet", "--no-local", "repository.git", "clone"],
      clear: () => remove("clone"),
    },
    {
      what: "npm install, 40 packages from loopback",
      needs: "npm",
      argv: [...npm, "--cache=cache"],
      port: registry.port,
      clear: () => remove("node_modules", "cache"),
    },
  ];
}

/** @param {import("./bench.js").Bench} bench @param {Work} work @param {string} folder */
async function compare(bench, { what, argv, port, clear }, folder) {
  const auditFile = path.join(bench.folder, "record");
  const policy = {
    version: /** @type {const} */ (1),
    filesystem: { write: ["."] },
    ...(port === undefined ? {} : { network: { forward: [`${port}:127.0.0.1:${port}`] } }),
  };
  const run = async (/** @type {string | undefined} */ record) => {
    const { outcome, exitCode, stdout, stderr } = await sandbox({
      argv,
      policy,
      cwd: folder,
      ...(record === undefined ? {} : { auditFile: record }),
    });
    if (exitCode !== 0) throw new Error(`${argv.join(" ")}: ${outcome} ${exitCode}\n${stdout}${stderr}`);
  };
  const cleared = (/** @type {() => Promise<unknown>} */ act) => {
    clear?.();
    return timed(act);
  };
  const samples = await interleaved(bench.quick ? 3 : 15, {
    "no sandbox": () => cleared(() => spawned(argv, { cwd: folder })),
    skillbox: () => cleared(() => run(undefined)),
    "skillbox, recorded": () => cleared(() => run(auditFile)),
    ...(await underPeers(bench, { what, argv, cwd: folder, network: port !== undefined, measure: cleared })),
  });
  const bars = [{ who: "skillbox, recorded", of: /** @type {const} */ ("ratio"), to: "bwrap", atMost: 1.1 }];
  bench.add({ what, unit: "ms", samples, base: "bwrap", bars });
}

function program() {
  const functions = Array.from(
    { length: 80 },
    (_, index) =>
      `static int f${index}(int x) { for (int i = 0; i < x; i++) x ^= i * ${index + 3}; return x; }\n`,
  );
  const calls = functions.map((_, index) => `sum += f${index}(argc);`).join(" ");
  return `#include <stdio.h>\n${functions.join("")}int main(int argc, char** argv) { int sum = 0; ${calls} printf("%s %d\\n", argv[0], sum); }\n`;
}

/** 300 files, of which each commit changes ten. @param {string} directory */
async function makeRepository(directory) {
  const blob = (/** @type {number} */ file, /** @type {number} */ commit) =>
    `M 100644 inline src/${file % 17}/${file}.txt\n${data(`${file} of ${commit}\n`.repeat(60))}`;
  const commits = Array.from({ length: 30 }, (_, commit) => {
    const files = Array.from({ length: 10 }, (_file, index) => blob(commit * 10 + index, commit));
    return `commit refs/heads/main\ncommitter a <a@example.org> ${1.7e9 + commit} +0000\n${data("change\n")}${files.join("")}\n`;
  });
  await spawned(["git", "init", "--quiet", "--bare", "--initial-branch=main", directory]);
  const stream = path.join(directory, "stream");
  writeFileSync(stream, commits.join(""));
  await spawned(["sh", "-c", 'git -C "$1" fast-import --quiet <"$2"', "sh", directory, stream]);
  rmSync(stream);
}

/** @param {string} text */
function data(text) {
  return `data ${text.length}\n${text}`;
}

/** @param {string} program */
async function isInstalled(program) {
  return await spawned(["sh", "-c", 'command -v "$1"', "sh", program]).then(
    () => true,
    () => false,
  );
}
