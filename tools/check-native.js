/**
 * What a prebuilt native part has to be on a machine that is not ours: of the right architecture, hardened, and without a need for
 * more than every supported distribution has. It is read with readelf(1), which knows all architectures.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";

const machines = { x64: "Advanced Micro Devices X86-64", arm64: "AArch64" };
const loaders = { x64: "ld-linux-x86-64.so.2", arm64: "ld-linux-aarch64.so.1" };

/** Of Debian 12, Ubuntu 22.04 and RHEL 9, the oldest with the kernel that is needed. */
const newestGlibc = { major: 2, minor: 34 };

/**
 * Throws with all that is wrong.
 *
 * @param {"x64" | "arm64"} arch
 * @param {string} directory
 */
export function checkNative(arch, directory) {
  const wrong = [
    ...["skillbox-init", "skillbox-selftest"].flatMap((name) =>
      checkProgram(arch, path.join(directory, name)),
    ),
    ...checkAddon(arch, path.join(directory, "skillbox.node")),
  ];
  if (wrong.length > 0) throw new Error(`${directory} is not fit to be shipped:\n  ${wrong.join("\n  ")}`);
}

/** Static, so that nothing of the host is loaded into PID 1. @param {"x64" | "arm64"} arch @param {string} file */
function checkProgram(arch, file) {
  const wrong = checkCommon(arch, file);
  if (readelf("--program-headers", file).includes("INTERP")) wrong.push(`${file} is linked dynamically`);
  return wrong;
}

/** @param {"x64" | "arm64"} arch @param {string} file */
function checkAddon(arch, file) {
  const wrong = checkCommon(arch, file);
  for (const [, library = ""] of readelf("--dynamic", file).matchAll(/\(NEEDED\).*\[(.+)\]/g)) {
    if (!["libc.so.6", "libgcc_s.so.1", loaders[arch]].includes(library))
      wrong.push(`${file} needs ${library}`);
  }
  const symbols = readelf("--dyn-syms", file)
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([number, , , type]) => /^[1-9]\d*:$/.test(number ?? "") && type !== "SECTION")
    .map(([, , , , binding, , index, name = ""]) => ({ isDefined: index !== "UND", binding, name }));
  for (const { isDefined, binding, name } of symbols) {
    const [, plain = name, version] = /^(.+?)@+(\S+)/.exec(name) ?? [];
    if (isDefined && !/^(?:napi|node_api)_/.test(plain)) wrong.push(`${file} exports ${plain}`);
    // Node has libuv's, whose major version has been 1 since Node 4.
    if (isDefined || /^(?:napi|node_api|uv)_/.test(plain)) continue;
    if (version === undefined ? binding !== "WEAK" : isTooNew(version)) {
      wrong.push(`${file} needs ${name}`);
    }
  }
  return wrong;
}

/** @param {"x64" | "arm64"} arch @param {string} file */
function checkCommon(arch, file) {
  const wrong = [];
  const machine = /Machine: +(.+)/.exec(readelf("--file-header", file))?.[1];
  if (machine !== machines[arch]) wrong.push(`${file} is for ${machine}`);
  const headers = readelf("--program-headers", file);
  if (!headers.includes("GNU_RELRO")) wrong.push(`${file} has no read-only relocations`);
  if (/GNU_STACK.*\n?.*RWE/.test(headers)) wrong.push(`${file} has an executable stack`);
  if (!/NOW/.test(readelf("--dynamic", file))) wrong.push(`${file} is bound lazily`);
  return wrong;
}

/** @param {string} version as in GLIBC_2.34 */
function isTooNew(version) {
  const [, major, minor] = /^GLIBC_(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined) return !/^GCC_[34]\./.test(version);
  return Number(major) !== newestGlibc.major || Number(minor) > newestGlibc.minor;
}

/** @param {string} what @param {string} file */
function readelf(what, file) {
  const { status, stdout, stderr, error } = spawnSync("readelf", ["--wide", what, file], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`readelf ${file}: ${error?.message ?? stderr}`);
  return stdout;
}
