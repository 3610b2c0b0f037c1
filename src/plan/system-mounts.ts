import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { pathContains } from "../policy/paths.js";
import {
  devices,
  maskedProcPaths,
  readonlyProcPaths,
  systemConfiguration,
  systemDirectories,
  versionedConfiguration,
} from "./host-view.js";
import type { Persona } from "./persona.js";
import type { RootBuilder } from "./root-builder.js";
import { grantSource, systemSource } from "./mount-source.js";

const readOnly = ["ro", "nosuid", "nodev"] as const;
const scratch = ["nosuid", "nodev"] as const;

/** The curated view of the host's system directories and configuration. */
export function addHostView(builder: RootBuilder): void {
  for (const path of systemDirectories) addSystemPath(builder, path);
  const versioned = readdirSync("/etc").filter((name) => versionedConfiguration.test(name));
  for (const path of [...systemConfiguration, ...versioned.map((name) => `/etc/${name}`)].toSorted()) {
    addSystemPath(builder, path);
  }
}

/** The host's directories that the default view shows, for telling what is visible already. */
export function hostViewDirectories(): readonly string[] {
  return systemDirectories.filter((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
}

function addSystemPath(builder: RootBuilder, path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (stats.isSymbolicLink()) {
    builder.symlink(path, readlinkSync(path));
  } else if (stats.isDirectory()) {
    builder.mountDirectory({
      type: "bind",
      target: path,
      source: systemSource(path, "directory"),
      attributes: readOnly,
    });
  } else if (stats.isFile()) {
    builder.mountFile({
      type: "bind",
      target: path,
      source: systemSource(path, "file"),
      attributes: readOnly,
    });
  }
}

/**
 * Another directory as the root (`root: DIR`): its entries, each mounted read-only on the skeleton. Where one of `needed`
 * (mount points of ours and of grants) lies below an entry that does not have it, that entry is taken apart, so that the
 * mount point comes to lie on the skeleton and nothing has to be created in the directory.
 */
export function addDirectoryAsRoot(
  builder: RootBuilder,
  directory: string,
  needed: readonly string[],
  inside = "/",
): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const target = inside === "/" ? `/${entry.name}` : `${inside}/${entry.name}`;
    const source = `${directory}/${entry.name}`;
    if (needed.includes(target)) continue;
    if (entry.isSymbolicLink()) {
      builder.symlink(target, readlinkSync(source));
    } else if (entry.isFile()) {
      builder.mountFile({ type: "bind", target, source: grantSource(source, "file"), attributes: readOnly });
    } else if (entry.isDirectory()) {
      const lacking = needed.some(
        (path) => pathContains(target, path) && !hasWithoutLinks(source, path.slice(target.length + 1)),
      );
      if (lacking) {
        builder.directory(target);
        addDirectoryAsRoot(builder, source, needed, target);
      } else {
        builder.mountDirectory({
          type: "overlay-read",
          target,
          source: grantSource(source, "directory"),
          attributes: readOnly,
        });
      }
    }
    // Devices, sockets and FIFOs of a root directory stay out.
  }
}

/** Whether each component of `below` is there, and only the last may be other than a directory. */
function hasWithoutLinks(directory: string, below: string): boolean {
  let path = directory;
  for (const component of below.split("/")) {
    path = `${path}/${component}`;
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined || stats.isSymbolicLink()) return false;
  }
  return true;
}

/** The places that {@link addKernelFilesystems} and {@link addScratch} mount on, beside the home directory. */
export const kernelMountPoints = ["/proc", "/dev", "/tmp"] as const;

/** /proc with the OCI's masks, and a minimal /dev. */
export function addKernelFilesystems(builder: RootBuilder, tmpBytes: number): void {
  builder.mountDirectory({ type: "proc", target: "/proc", attributes: ["nosuid", "nodev", "noexec"] });
  for (const target of maskedProcPaths) {
    builder.cover({ type: "mask", target, optional: true, attributes: ["nosuid", "nodev", "noexec"] });
  }
  for (const target of readonlyProcPaths) {
    builder.cover({ type: "read-only", target, optional: true, attributes: ["nosuid", "nodev", "noexec"] });
  }
  for (const name of devices) {
    builder.mountFile({
      type: "bind",
      target: `/dev/${name}`,
      source: systemSource(`/dev/${name}`, "device"),
      attributes: ["nosuid", "noexec"],
    });
  }
  builder.mountDirectory({ type: "devpts", target: "/dev/pts", attributes: ["nosuid", "noexec"] });
  builder.mountDirectory({
    type: "tmpfs",
    target: "/dev/shm",
    sizeBytes: tmpBytes,
    inodes: inodesFor(tmpBytes),
    mode: 0o1777,
    attributes: ["nosuid", "nodev", "noexec"],
  });
  builder.symlink("/dev/ptmx", "pts/ptmx");
  builder.symlink("/dev/fd", "/proc/self/fd");
  builder.symlink("/dev/stdin", "/proc/self/fd/0");
  builder.symlink("/dev/stdout", "/proc/self/fd/1");
  builder.symlink("/dev/stderr", "/proc/self/fd/2");
}

/** Private, empty, limited: /tmp and the home directory. */
export function addScratch(
  builder: RootBuilder,
  tmpBytes: number,
  home: string,
  grants: readonly string[],
): void {
  // What is granted below it has to be mounted there, and not beside what it is a link to.
  const isLink = !grants.some((path) => pathContains(varTmp, path));
  for (const [target, mode] of [
    ["/tmp", 0o1777],
    [home, 0o700],
    ...(isLink ? [] : [[varTmp, 0o1777] as const]),
  ] as const) {
    builder.mountDirectory({
      type: "tmpfs",
      target,
      sizeBytes: tmpBytes,
      inodes: inodesFor(tmpBytes),
      mode,
      attributes: scratch,
    });
  }
  if (isLink) builder.symlink(varTmp, "/tmp");
  builder.directory("/run");
}

const varTmp = "/var/tmp";

/** One for each 4 KiB page, so that empty files cannot outgrow the size; at least what a small tool needs. */
export function inodesFor(sizeBytes: number): number {
  return Math.max(1024, Math.ceil(sizeBytes / 4096));
}

/** What names who and where: written by us, since the host's files name its users and its resolver. */
export function addIdentityFiles(
  builder: RootBuilder,
  user: { uid: number; gid: number },
  { user: name, home, hostname }: Persona,
): void {
  builder.file(
    "/etc/passwd",
    [
      `${name}:x:${user.uid}:${user.gid}:${name}:${home}:/bin/sh`,
      ...(user.uid === 0 ? [] : ["root:x:0:0:root:/root:/usr/sbin/nologin"]),
      "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
      "",
    ].join("\n"),
  );
  builder.file(
    "/etc/group",
    [`${name}:x:${user.gid}:`, ...(user.gid === 0 ? [] : ["root:x:0:"]), "nogroup:x:65534:", ""].join("\n"),
  );
  builder.file("/etc/hosts", `127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 ${hostname}\n`);
  builder.file("/etc/hostname", `${hostname}\n`);
  // Any server address leads to skillbox's own resolver; without egress nobody listens, and lookups fail at once.
  builder.file("/etc/resolv.conf", "nameserver 127.0.0.1\noptions edns0\n");
  builder.file(
    "/etc/nsswitch.conf",
    "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
  );
}
