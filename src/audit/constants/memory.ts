import { enumeration, field, flags, type FlagTable } from "../flag-table.js";
import type { Arch } from "../../seccomp/syscall-table.js";

/** asm-generic/mman-common.h; PROT_BTI and PROT_MTE are arm64's (asm/mman.h). */
export function protection(arch: Arch): FlagTable {
  return flags(
    {
      PROT_NONE: [0, 0xf],
      PROT_READ: 1,
      PROT_WRITE: 2,
      PROT_EXEC: 4,
      PROT_SEM: 8,
      ...(arch === "arm64" ? { PROT_BTI: 0x10, PROT_MTE: 0x20 } : {}),
      PROT_GROWSDOWN: 0x0100_0000,
      PROT_GROWSUP: 0x0200_0000,
    },
    64,
  );
}

/** linux/mman.h and asm-generic/mman.h; MAP_32BIT and MAP_ABOVE4G are x86's (asm/mman.h). MAP_TYPE is 0xf. */
export function mapFlags(arch: Arch): FlagTable {
  return flags(
    {
      ...field(0xf, "1 MAP_SHARED MAP_PRIVATE MAP_SHARED_VALIDATE 8 MAP_DROPPABLE"),
      MAP_FIXED: 0x10,
      MAP_ANONYMOUS: 0x20,
      ...(arch === "x64" ? { MAP_32BIT: 0x40, MAP_ABOVE4G: 0x80 } : {}),
      MAP_GROWSDOWN: 0x100,
      MAP_DENYWRITE: 0x800,
      MAP_EXECUTABLE: 0x1000,
      MAP_LOCKED: 0x2000,
      MAP_NORESERVE: 0x4000,
      MAP_POPULATE: 0x8000,
      MAP_NONBLOCK: 0x1_0000,
      MAP_STACK: 0x2_0000,
      MAP_HUGETLB: 0x4_0000,
      MAP_SYNC: 0x8_0000,
      MAP_FIXED_NOREPLACE: 0x10_0000,
      MAP_HUGE_2MB: [0x5400_0000, 0xfc00_0000],
      MAP_HUGE_1GB: [0x7800_0000, 0xfc00_0000],
    },
    64,
  );
}

/** linux/mman.h. */
const mremapFlags = flags({ MREMAP_MAYMOVE: 1, MREMAP_FIXED: 2, MREMAP_DONTUNMAP: 4 }, 64);
/** asm-generic/mman-common.h. */
const msyncFlags = flags({ MS_ASYNC: 1, MS_INVALIDATE: 2, MS_SYNC: 4 });
/** asm-generic/mman-common.h. */
const mlockFlags = flags({ MLOCK_ONFAULT: 1 });
/** asm-generic/mman.h. */
const mlockallFlags = flags({ MCL_CURRENT: 1, MCL_FUTURE: 2, MCL_ONFAULT: 4 });
/** asm-generic/mman-common.h. */
const madvice = enumeration(`
  0 MADV_NORMAL MADV_RANDOM MADV_SEQUENTIAL MADV_WILLNEED MADV_DONTNEED
  8 MADV_FREE MADV_REMOVE MADV_DONTFORK MADV_DOFORK MADV_MERGEABLE MADV_UNMERGEABLE MADV_HUGEPAGE MADV_NOHUGEPAGE
    MADV_DONTDUMP MADV_DODUMP MADV_WIPEONFORK MADV_KEEPONFORK MADV_COLD MADV_PAGEOUT MADV_POPULATE_READ
    MADV_POPULATE_WRITE MADV_DONTNEED_LOCKED MADV_COLLAPSE
  100 MADV_HWPOISON MADV_SOFT_OFFLINE MADV_GUARD_INSTALL MADV_GUARD_REMOVE
`);
/** asm-generic/mman-common.h. */
const pkeyRights = flags({ PKEY_DISABLE_ACCESS: 1, PKEY_DISABLE_WRITE: 2 });
/** linux/memfd.h; the size of huge pages lies in the top six bits, as for mmap. */
const memfdFlags = flags({
  MFD_CLOEXEC: 1,
  MFD_ALLOW_SEALING: 2,
  MFD_HUGETLB: 4,
  MFD_NOEXEC_SEAL: 8,
  MFD_EXEC: 0x10,
  MFD_HUGE_2MB: [0x5400_0000, 0xfc00_0000],
  MFD_HUGE_1GB: [0x7800_0000, 0xfc00_0000],
});
/** linux/fcntl.h: memfd_secret takes FD_CLOEXEC, as O_CLOEXEC. */
const secretFlags = flags({ O_CLOEXEC: 0o2000000 });
/** linux/mempolicy.h: the mode, and in its upper bits how to read the node mask. */
const memoryPolicy = flags({
  ...field(
    0xfff,
    "0 MPOL_DEFAULT MPOL_PREFERRED MPOL_BIND MPOL_INTERLEAVE MPOL_LOCAL MPOL_PREFERRED_MANY MPOL_WEIGHTED_INTERLEAVE",
  ),
  MPOL_F_NUMA_BALANCING: 0x2000,
  MPOL_F_RELATIVE_NODES: 0x4000,
  MPOL_F_STATIC_NODES: 0x8000,
});
/** linux/mempolicy.h. */
const mbindFlags = flags({ MPOL_MF_STRICT: 1, MPOL_MF_MOVE: 2, MPOL_MF_MOVE_ALL: 4 });
/** linux/userfaultfd.h and O_CLOEXEC, O_NONBLOCK. */
const userfaultfdFlags = flags({ UFFD_USER_MODE_ONLY: 1, O_NONBLOCK: 0o4000, O_CLOEXEC: 0o2000000 });

export const memoryTables = {
  mremapFlags,
  msyncFlags,
  mlockFlags,
  mlockallFlags,
  madvice,
  pkeyRights,
  memfdFlags,
  secretFlags,
  memoryPolicy,
  mbindFlags,
  userfaultfdFlags,
};
