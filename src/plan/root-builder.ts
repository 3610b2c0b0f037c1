import { posix } from "node:path";
import { SkillboxError } from "../errors.js";
import { pathContains } from "../policy/paths.js";
import type { MountOperation, RootOperation } from "./launch-plan.js";

/**
 * Collects the operations that build the root, and sees to it that every mount has its mount point: created on the
 * sandbox's own file systems, present already on the host's. Nothing is ever created on the host.
 */
export class RootBuilder {
  readonly #denied: (path: string) => boolean;
  readonly #operations: RootOperation[] = [];
  readonly #mounts: { readonly target: string; readonly own: boolean }[] = [{ target: "/", own: true }];
  readonly #created = new Set<string>(["/"]);
  readonly #links = new Set<string>();

  /** What of the host is denied is not mounted, whatever shows it. */
  constructor(denied: (path: string) => boolean) {
    this.#denied = denied;
  }

  operations(): readonly RootOperation[] {
    return this.#operations;
  }

  /** Creates a directory, and those above it, where the place is the sandbox's own. */
  directory(path: string, mode = 0o755): void {
    if (this.#created.has(path) || !this.#isOwn(path)) return;
    this.directory(posix.dirname(path));
    this.#created.add(path);
    this.#operations.push({ type: "directory", target: path, mode });
  }

  file(path: string, content: string, mode = 0o444): void {
    if (this.#created.has(path)) return;
    this.directory(posix.dirname(path));
    this.#created.add(path);
    this.#operations.push({ type: "file", target: path, mode, content });
  }

  symlink(path: string, linkTarget: string): void {
    if (this.#created.has(path) || !this.#isOwn(path)) return;
    // /bin/sh, where /bin is a link already: the name leads there by itself.
    if ([...this.#links].some((link) => pathContains(link, path))) return;
    this.directory(posix.dirname(path));
    this.#created.add(path);
    this.#links.add(path);
    this.#operations.push({ type: "symlink", target: path, linkTarget });
  }

  /** Mounts on a directory. */
  mountDirectory(operation: MountOperation): void {
    if (this.#isDenied(operation)) return;
    this.directory(operation.target);
    this.#mount(operation);
  }

  /** Mounts on a file. */
  mountFile(operation: MountOperation): void {
    if (this.#isDenied(operation)) return;
    if (this.#isOwn(operation.target)) this.file(operation.target, "");
    this.#mount(operation);
  }

  /** An operation on what is already there: mask, read-only. */
  cover(operation: MountOperation): void {
    this.#operations.push(operation);
  }

  /** Whether the path, if it is there, is the host's. */
  showsHost(path: string): boolean {
    return !this.#isOwn(path);
  }

  #mount(operation: MountOperation): void {
    if (operation.target === "/") throw new SkillboxError("ERR_INTERNAL", "a mount over the root");
    this.#operations.push(operation);
    const own = operation.type === "tmpfs";
    this.#mounts.push({ target: operation.target, own });
    // What was created below is hidden now.
    for (const path of this.#created) {
      if (path !== operation.target && pathContains(operation.target, path)) this.#created.delete(path);
    }
    this.#created.add(operation.target);
  }

  #isDenied(operation: MountOperation): boolean {
    return "source" in operation && operation.source.kind !== "device" && this.#denied(operation.source.path);
  }

  /** The last mount at or above a path decides where a new entry would land. */
  #isOwn(path: string): boolean {
    const above = this.#mounts.filter(({ target }) => pathContains(target, path));
    const deepest = above.reduce((best, mount) => (mount.target.length >= best.target.length ? mount : best));
    return deepest.own;
  }
}

/** Parents before children, then by name, so that the same policy gives the same plan. */
export function byDepth(a: string, b: string): number {
  const depth = a.split("/").length - b.split("/").length;
  return depth !== 0 ? depth : a < b ? -1 : a > b ? 1 : 0;
}
