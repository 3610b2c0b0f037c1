import * as descriptors from "./constants/descriptors.js";
import * as files from "./constants/files.js";
import { ioctlRequest } from "./constants/ioctl.js";
import * as memory from "./constants/memory.js";
import * as privileges from "./constants/privileges.js";
import * as processes from "./constants/processes.js";
import * as sockets from "./constants/sockets.js";
import type { FlagTable } from "./flag-table.js";
import type { Arch } from "../seccomp/syscall-table.js";

/** The tables of names by the name that signatures.ts knows them by. Their order is their number on the wire. */
export function flagTables(arch: Arch): Readonly<Record<string, FlagTable>> {
  const { openFlags, ...otherFiles } = files;
  const { pipeFlags, pipeFlagsArm64, ...otherDescriptors } = descriptors;
  const { protection, mapFlags, ...otherMemory } = memory;
  return {
    openFlags: openFlags(arch),
    pipeFlags: arch === "x64" ? pipeFlags : pipeFlagsArm64,
    protection: protection(arch),
    mapFlags: mapFlags(arch),
    ...otherFiles,
    ...otherDescriptors,
    ...otherMemory,
    ...processes,
    ...privileges,
    ...sockets,
    ioctlRequest,
  };
}
