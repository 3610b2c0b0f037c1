import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../package-root.js";
import type { Arch } from "../seccomp/syscall-table.js";

/** Where tools/bundle.js has put what encode-tables.ts makes, from the package's root; only its bundle says so. */
declare const builtTables: string | undefined;

/** What the notify thread needs to spell a system call: of encode-tables.ts, or as the bundle has it ready. */
export async function auditTables(arch: Arch): Promise<Uint8Array> {
  if (typeof builtTables !== "undefined")
    return readFileSync(join(packageRoot(), builtTables, tablesFile(arch)));
  const { encodeAuditTables } = await import("./encode-tables.js");
  return encodeAuditTables(arch);
}

export function tablesFile(arch: Arch): string {
  return `${arch}.tables`;
}
