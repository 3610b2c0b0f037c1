/**
 * Makes the native part for the package: node tools/prebuild.js [x64 | arm64]… , both without arguments. Each lies in
 * prebuilds/linux-ARCHITECTURE, stripped. This machine's is that of `npm run build:native`; the other is built by Debian's cross
 * compiler (g++-aarch64-linux-gnu, g++-x86-64-linux-gnu) in a directory of its own, since node-gyp has one place for its results.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { checkNative } from "./check-native.js";

const root = path.resolve(import.meta.dirname, "..");
const triplets = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" };
const binaries = ["skillbox.node", "skillbox-init", "skillbox-selftest"];

const asked = process.argv.slice(2);
for (const arch of asked.length > 0 ? asked : Object.keys(triplets)) {
  if (arch !== "x64" && arch !== "arm64") throw new Error(`${arch} is neither x64 nor arm64`);
  if (arch === process.arch) collect(arch, path.join(root, "build/Release"));
  else crossBuild(arch);
}

/** @param {"x64" | "arm64"} arch */
function crossBuild(arch) {
  const directory = mkdtempSync(path.join(tmpdir(), "prebuild-"));
  try {
    for (const part of ["binding.gyp", "package.json", "native"]) {
      cpSync(path.join(root, part), path.join(directory, part), { recursive: true });
    }
    symlinkSync(path.join(root, "node_modules"), path.join(directory, "node_modules"));
    const headers = path.resolve(process.execPath, "../..");
    run(
      path.join(root, "node_modules/.bin/node-gyp"),
      [
        ...["rebuild", `--arch=${arch}`, "--jobs=max"],
        // Node's headers are the same on every architecture.
        ...(existsSync(path.join(headers, "include/node/node_api.h")) ? [`--nodedir=${headers}`] : []),
      ],
      directory,
      { CC: `${triplets[arch]}-gcc`, CXX: `${triplets[arch]}-g++`, AR: `${triplets[arch]}-ar` },
    );
    collect(arch, path.join(directory, "build/Release"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** @param {"x64" | "arm64"} arch @param {string} from */
function collect(arch, from) {
  const to = path.join(root, "prebuilds", `linux-${arch}`);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const name of binaries) {
    const file = path.join(to, name);
    copyFileSync(path.join(from, name), file);
    chmodSync(file, 0o755);
    const strip = arch === process.arch ? "strip" : `${triplets[arch]}-strip`;
    run(strip, name.endsWith(".node") ? ["--strip-unneeded", file] : [file], root, {});
  }
  checkNative(arch, to);
}

/** @param {string} program @param {readonly string[]} args @param {string} cwd @param {Record<string, string>} environment */
function run(program, args, cwd, environment) {
  const { status, error, stdout } = spawnSync(program, args, {
    cwd,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  if (status === 0) return;
  process.stdout.write(stdout ?? "");
  throw new Error(`${program} ${args.join(" ")}: ${error?.message ?? `exit status ${status}`}`);
}
