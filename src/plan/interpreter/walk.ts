import { posix } from "node:path";
import type { HostFiles } from "./host-files.js";

/** A path followed the way the kernel does it, with every symbolic link that it went through. */
export interface Walk {
  /** No component is a symbolic link. */
  readonly real: string;
  /** Where each link lies (its directory is link-free), in the order in which they were followed. */
  readonly links: readonly string[];
}

/** The kernel's own bound (MAXSYMLINKS, include/linux/namei.h); past it open(2) gives ELOOP. */
const maxLinks = 40;

/** Follows every component of an absolute path; undefined for a loop. Components that do not exist stay as they are. */
export function walk(files: HostFiles, path: string): Walk | undefined {
  const pending = components(path).reverse();
  const links: string[] = [];
  let current = "/";
  for (;;) {
    const name = pending.pop();
    if (name === undefined) return { real: current, links };
    if (name === "..") {
      current = posix.dirname(current);
      continue;
    }
    const location = join(current, name);
    const target = files.readlink(location);
    if (target === undefined) {
      current = location;
      continue;
    }
    links.push(location);
    if (links.length > maxLinks) return undefined;
    if (target.startsWith("/")) current = "/";
    pending.push(...components(target).reverse());
  }
}

/** One name on the way from what was asked for to the file that gets executed. */
export interface Hop {
  /** Link-free directory plus the name, which is a link for all but the last hop. */
  readonly location: string;
  /** Links among the directories that led from the hop before to this one. */
  readonly directoryLinks: readonly string[];
}

/** The chain of last components: a program keeps its meaning (a venv, say) only while it is called by the right one. */
export function hops(files: HostFiles, path: string): readonly Hop[] | undefined {
  const chain: Hop[] = [];
  let next = path;
  for (;;) {
    const directory = walk(files, posix.dirname(next));
    if (directory === undefined || chain.length > maxLinks) return undefined;
    const location = join(directory.real, posix.basename(next));
    chain.push({ location, directoryLinks: directory.links });
    const target = files.readlink(location);
    if (target === undefined) return chain;
    // Not posix.join: it would fold "a/.." although `a` may be a link.
    next = target.startsWith("/") ? target : `${directory.real}/${target}`;
  }
}

/** By component, so that /allowed does not hold /allowed-evil. */
export function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

export function join(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

export function components(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}
