import type { ResolvedGrant } from "./grants.js";

/** Who a program is told that it is, and on what machine. */
export interface Persona {
  readonly user: string;
  readonly home: string;
  readonly hostname: string;
  /** Variables by which a program can tell. */
  readonly variables: Readonly<Record<string, string>>;
}

/** The program's home directory is private, empty and limited, whoever the caller is. */
export const sandboxPersona: Persona = {
  user: "sandbox",
  home: "/home/sandbox",
  hostname: "skillbox",
  variables: { SKILLBOX: "1" },
};

/** A directory of the host that is shown under another name: skillbox's own, never a policy's. */
export interface ShownDirectory {
  readonly access: Exclude<ResolvedGrant["access"], "write">;
  readonly source: string;
  readonly target: string;
}

/** Where a directory of the host is found inside. */
export function insidePath(path: string, shown: readonly ShownDirectory[]): string {
  return shown.find(({ source }) => source === path)?.target ?? path;
}
