import { descriptorTables, pipeFlags, pipeFlagsArm64 } from "./constants/descriptors.js";
import { fileTables, openFlags } from "./constants/files.js";
import { ioctlRequest } from "./constants/ioctl.js";
import { mapFlags, memoryTables, protection } from "./constants/memory.js";
import { privilegeTables } from "./constants/privileges.js";
import { processTables } from "./constants/processes.js";
import { socketOptionTables } from "./constants/socket-options.js";
import { socketTables } from "./constants/sockets.js";
import type { FlagTable } from "./flag-table.js";
import type { Arch } from "../seccomp/syscall-table.js";

/** The tables of names by the name that signatures.ts knows them by. Their order is their number on the wire. */
export function flagTables(arch: Arch): Readonly<Record<string, FlagTable>> {
  return {
    openFlags: openFlags(arch),
    pipeFlags: arch === "x64" ? pipeFlags : pipeFlagsArm64,
    protection: protection(arch),
    mapFlags: mapFlags(arch),
    ...fileTables,
    ...descriptorTables,
    ...memoryTables,
    ...processTables,
    ...privilegeTables,
    ...socketTables,
    ...socketOptionTables,
    ioctlRequest,
  };
}
