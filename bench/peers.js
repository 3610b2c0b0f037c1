/**
 * Others of the kind, each as near to the same work as its options come: namespaces of its own, the host's files read-only, the
 * working directory writable. What none of bwrap, firejail and strace does: limits, a record.
 */
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { spawned } from "./measure.js";
import { makeBundle } from "./oci.js";

/** @typedef {{ network: boolean }} Needs whether it is to reach the host's loopback */
/**
 * What starts a program, made before the time is taken. Each call gives the argv of one run.
 *
 * @typedef {(folder: string, argv: readonly string[], needs: Needs) => () => readonly string[]} Prepare
 */
/** @typedef {{ name: string, does: string, version: readonly string[], install: string, prepare: Prepare }} Candidate */
/** @typedef {{ name: string, version: string, prepare: Prepare }} Peer */

/** @type {readonly Candidate[]} */
const candidates = [
  {
    name: "bwrap",
    does: "--unshare-all, no seccomp filter",
    version: ["bwrap", "--version"],
    install: "apt-get install bubblewrap",
    prepare: (folder, argv, { network }) => {
      const shared = network ? ["--share-net"] : [];
      const files = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"];
      const work = ["--bind", folder, folder, "--chdir", folder];
      return () => [
        "bwrap",
        "--unshare-all",
        ...shared,
        "--die-with-parent",
        ...files,
        ...work,
        "--",
        ...argv,
      ];
    },
  },
  {
    name: "nsjail",
    does: "its own defaults without rlimits",
    version: ["nsjail", "--help"],
    install: "build it from https://github.com/google/nsjail",
    prepare: (folder, argv, { network }) => {
      const shared = network ? ["--disable_clone_newnet"] : [];
      const work = ["--bindmount", folder, "--cwd", folder];
      return () => [
        ...["nsjail", "-Mo", "--really_quiet", "--keep_env", "--disable_rlimits", "--chroot", "/"],
        ...[...shared, ...work, "--", ...argv],
      ];
    },
  },
  {
    name: "firejail",
    does: "its own seccomp filter, the host's /tmp",
    version: ["firejail", "--version"],
    install: "apt-get install firejail",
    prepare: (folder, argv, { network }) => {
      const own = network ? [] : ["--net=none"];
      const files = ["--read-only=/", `--read-write=${folder}`, "--private-dev"];
      return () => [
        "firejail",
        "--quiet",
        "--noprofile",
        "--seccomp",
        "--caps.drop=all",
        ...own,
        ...files,
        ...argv,
      ];
    },
  },
  {
    name: "crun",
    does: "skillbox's seccomp profile",
    version: ["crun", "--version"],
    install: "apt-get install crun",
    prepare: (folder, argv, needs) => {
      const bundle = makeBundle(folder, argv, needs);
      return () => ["crun", "--cgroup-manager=disabled", "run", "--bundle", bundle, `bench-${randomUUID()}`];
    },
  },
  {
    name: "runc",
    does: "skillbox's seccomp profile, a cgroup",
    version: ["runc", "--version"],
    install: "apt-get install runc",
    prepare: (folder, argv, needs) => {
      const bundle = makeBundle(folder, argv, needs);
      return () => ["runc", "run", "--bundle", bundle, `bench-${randomUUID()}`];
    },
  },
  {
    name: "srt",
    does: "bwrap and proxies behind node",
    version: ["srt", "--version"],
    install: "npm install --global @anthropic-ai/sandbox-runtime && apt-get install bubblewrap ripgrep socat",
    prepare: (folder, argv) => {
      const settings = path.join(folder, "srt.json");
      const network = { allowedDomains: [], deniedDomains: [] };
      const filesystem = { denyRead: [], allowWrite: [folder], denyWrite: [] };
      writeFileSync(settings, JSON.stringify({ network, filesystem }));
      // Given as words they would be put together unquoted.
      const line = argv.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
      return () => ["srt", "--settings", settings, "-c", line];
    },
  },
  {
    name: "strace",
    does: "-f, to /dev/null: a record and nothing else",
    version: ["strace", "--version"],
    install: "apt-get install strace",
    prepare: (_folder, argv) => () => ["strace", "-f", "-o", "/dev/null", ...argv],
  },
];

/**
 * Those that run here, by name, and for the others why not and what to do about it.
 *
 * @param {string} folder
 * @returns {Promise<{ peers: Peer[], missing: string[] }>}
 */
export async function findPeers(folder) {
  /** @type {Peer[]} */
  const peers = [];
  /** @type {string[]} */
  const missing = [];
  for (const { name, does, version, install, prepare } of candidates) {
    const [program = "", ...args] = version;
    const { error, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
    if (error !== undefined) {
      missing.push(`${name} is not installed: ${install}`);
      continue;
    }
    const own = path.join(folder, name);
    mkdirSync(own);
    try {
      await spawned(prepare(own, ["true"], { network: false })(), { cwd: own });
      peers.push({ name, version: `${versionIn(stdout + stderr)} (${does})`, prepare });
    } catch (refusal) {
      missing.push(`${name} does not run here: ${reasonOf(refusal)}`);
    }
  }
  return { peers, missing };
}

/**
 * The same program under each of them, by name; one in which it fails is left out, with the reason.
 *
 * @param {import("./bench.js").Bench} bench
 * @param {{ what: string, argv: readonly string[], cwd?: string, network?: boolean, names?: readonly string[],
 *   measure: (run: () => Promise<unknown>) => number | Promise<number> }} work `names` are the peers that are asked for
 * @returns {Promise<import("./measure.js").Contenders>}
 */
export async function underPeers(bench, { what, argv, cwd = bench.folder, network = false, names, measure }) {
  const env = { ...process.env, HOME: path.join(bench.folder, "home") };
  mkdirSync(env.HOME, { recursive: true });
  /** @type {Record<string, () => number | Promise<number>>} */
  const contenders = {};
  for (const { name, prepare } of bench.peers) {
    if (names !== undefined && !names.includes(name)) continue;
    const command = prepare(cwd, argv, { network });
    const run = () => spawned(command(), { cwd, env });
    try {
      await measure(run);
      contenders[name] = () => measure(run);
    } catch (refusal) {
      bench.omit(`${what}, ${name}`, reasonOf(refusal));
    }
  }
  return contenders;
}

/** The first line of what the program said. @param {unknown} failure */
function reasonOf(failure) {
  const lines = String(failure)
    .split("\n")
    .filter((line) => line.trim() !== "");
  return lines[1] ?? lines[0] ?? "";
}

/** @param {string} text */
function versionIn(text) {
  return /\d+(?:\.\d+)+\S*/.exec(text)?.[0] ?? "without a version";
}
