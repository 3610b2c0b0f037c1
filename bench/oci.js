/** A bundle for crun and runc: the host's programs read-only, namespaces of its own, and the system calls that skillbox allows. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

const profile = path.resolve(import.meta.dirname, "../seccomp-profiles/default.json");

/**
 * @param {string} folder for bundles; the program's working directory, which it may write to
 * @param {readonly string[]} args
 * @param {{ network: boolean }} options
 * @returns the bundle's directory
 */
export function makeBundle(folder, args, { network }) {
  const bundle = mkdtempSync(path.join(folder, "bundle-"));
  mkdirSync(path.join(bundle, "rootfs"));
  const uid = process.geteuid?.() ?? 0;
  const namespaces = ["pid", "ipc", "uts", "mount", "cgroup", ...(network ? [] : ["network"])];
  const configuration = {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args,
      env: Object.entries({ PATH: process.env["PATH"], HOME: "/tmp" }).map(
        ([name, value]) => `${name}=${value}`,
      ),
      cwd: folder,
      capabilities: {},
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    mounts: [
      ...["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"].map((place) => bind(place, "ro")),
      { destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"] },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755", "size=64k"] },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", "mode=1777"] },
      bind(folder, "rw"),
    ],
    linux: {
      namespaces: [...namespaces, ...(uid === 0 ? [] : ["user"])].map((type) => ({ type })),
      ...(uid === 0 ? {} : { uidMappings: map(uid), gidMappings: map(process.getegid?.() ?? 0) }),
      seccomp: systemCalls(),
    },
  };
  writeFileSync(path.join(bundle, "config.json"), JSON.stringify(configuration));
  return bundle;
}

/** @param {string} place @param {"ro" | "rw"} access */
function bind(place, access) {
  return { destination: place, type: "bind", source: place, options: ["rbind", access, "nosuid"] };
}

/** @param {number} hostID */
function map(hostID) {
  return [{ containerID: 0, hostID, size: 1 }];
}

function systemCalls() {
  const { defaultAction, defaultErrnoRet, architectures, syscalls } = JSON.parse(
    readFileSync(profile, "utf8"),
  );
  return { defaultAction, defaultErrnoRet, architectures, syscalls };
}
