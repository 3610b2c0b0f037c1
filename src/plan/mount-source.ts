import type { MountSource } from "./launch-plan.js";

/** Something of the operator's: a root caller's program gets to see it as its own. */
export function grantSource(path: string, kind: MountSource["kind"]): MountSource {
  return { path, kind, idmapped: true };
}

/** Something of the system's, with the owner that it has. */
export function systemSource(path: string, kind: MountSource["kind"]): MountSource {
  return { path, kind, idmapped: false };
}
