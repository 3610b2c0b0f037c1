import { enumeration, field, flags, type FlagTable } from "../flag-table.js";
import type { Arch } from "../../seccomp/syscall-table.js";

/**
 * Flags of open. asm-generic/fcntl.h; arm64 has its own O_DIRECTORY, O_NOFOLLOW, O_DIRECT and O_LARGEFILE (asm/fcntl.h). O_SYNC and
 * O_TMPFILE contain O_DSYNC and O_DIRECTORY, and so come before them.
 */
export function openFlags(arch: Arch): FlagTable {
  const own =
    arch === "x64"
      ? { O_DIRECT: 0o40000, O_LARGEFILE: 0o100000, O_DIRECTORY: 0o200000, O_NOFOLLOW: 0o400000 }
      : { O_DIRECTORY: 0o40000, O_NOFOLLOW: 0o100000, O_DIRECT: 0o200000, O_LARGEFILE: 0o400000 };
  return flags({
    ...field(0o3, "0 O_RDONLY O_WRONLY O_RDWR O_ACCMODE"),
    O_CREAT: 0o100,
    O_EXCL: 0o200,
    O_NOCTTY: 0o400,
    O_TRUNC: 0o1000,
    O_APPEND: 0o2000,
    O_NONBLOCK: 0o4000,
    O_SYNC: 0o4010000,
    O_DSYNC: 0o10000,
    O_ASYNC: 0o20000,
    O_TMPFILE: 0o20000000 | own.O_DIRECTORY,
    ...own,
    O_NOATIME: 0o1000000,
    O_CLOEXEC: 0o2000000,
    O_PATH: 0o10000000,
  });
}

/** linux/openat2.h. */
const resolveFlags = flags(
  {
    RESOLVE_NO_XDEV: 0x01,
    RESOLVE_NO_MAGICLINKS: 0x02,
    RESOLVE_NO_SYMLINKS: 0x04,
    RESOLVE_BENEATH: 0x08,
    RESOLVE_IN_ROOT: 0x10,
    RESOLVE_CACHED: 0x20,
  },
  64,
);

/** linux/fcntl.h. 0x200 has a meaning of its own in unlinkat, in faccessat2 and in name_to_handle_at. */
const at = {
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_SYMLINK_FOLLOW: 0x400,
  AT_NO_AUTOMOUNT: 0x800,
  AT_EMPTY_PATH: 0x1000,
};
const atFlags = flags({
  ...at,
  ...field(0x6000, "0x2000 AT_STATX_FORCE_SYNC 0x4000 AT_STATX_DONT_SYNC"),
  AT_RECURSIVE: 0x8000,
});
const unlinkFlags = flags({ AT_REMOVEDIR: 0x200 });
const accessAtFlags = flags({ AT_EACCESS: 0x200, ...at });
const handleFlags = flags({
  AT_HANDLE_FID: 0x200,
  AT_HANDLE_MNT_ID_UNIQUE: 0x1,
  AT_HANDLE_CONNECTABLE: 0x2,
  ...at,
});
/** linux/fcntl.h; execveat (6.14) can only ask. */
const execFlags = flags({ AT_EXECVE_CHECK: 0x10000, ...at });

/** unistd.h of the C library; the kernel has MAY_READ and so on (linux/fs.h). */
const accessMode = flags({ F_OK: [0, 7], R_OK: 4, W_OK: 2, X_OK: 1 });

/** linux/fs.h. */
const renameFlags = flags({ RENAME_NOREPLACE: 1, RENAME_EXCHANGE: 2, RENAME_WHITEOUT: 4 });
/** linux/xattr.h. */
const xattrFlags = flags({ XATTR_CREATE: 1, XATTR_REPLACE: 2 });
/** linux/falloc.h. */
const fallocateFlags = flags({
  FALLOC_FL_KEEP_SIZE: 0x01,
  FALLOC_FL_PUNCH_HOLE: 0x02,
  FALLOC_FL_NO_HIDE_STALE: 0x04,
  FALLOC_FL_COLLAPSE_RANGE: 0x08,
  FALLOC_FL_ZERO_RANGE: 0x10,
  FALLOC_FL_INSERT_RANGE: 0x20,
  FALLOC_FL_UNSHARE_RANGE: 0x40,
  FALLOC_FL_WRITE_ZEROES: 0x80,
});
/** linux/fs.h. */
const whence = enumeration("0 SEEK_SET SEEK_CUR SEEK_END SEEK_DATA SEEK_HOLE");
/** asm-generic/fcntl.h. */
const flockOperation = flags({ LOCK_SH: 1, LOCK_EX: 2, LOCK_NB: 4, LOCK_UN: 8 });
/** linux/stat.h. */
const statxMask = flags({
  STATX_BASIC_STATS: 0x7ff,
  STATX_TYPE: 0x1,
  STATX_MODE: 0x2,
  STATX_NLINK: 0x4,
  STATX_UID: 0x8,
  STATX_GID: 0x10,
  STATX_ATIME: 0x20,
  STATX_MTIME: 0x40,
  STATX_CTIME: 0x80,
  STATX_INO: 0x100,
  STATX_SIZE: 0x200,
  STATX_BLOCKS: 0x400,
  STATX_BTIME: 0x800,
  STATX_MNT_ID: 0x1000,
  STATX_DIOALIGN: 0x2000,
  STATX_MNT_ID_UNIQUE: 0x4000,
  STATX_SUBVOL: 0x8000,
  STATX_WRITE_ATOMIC: 0x10000,
  STATX_DIO_READ_ALIGN: 0x20000,
});

/** asm-generic/fcntl.h and linux/fcntl.h, where F_LINUX_SPECIFIC_BASE is 1024. */
const fcntlCommand = enumeration(`
  0 F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_GETLK F_SETLK F_SETLKW F_SETOWN F_GETOWN F_SETSIG F_GETSIG
  15 F_SETOWN_EX F_GETOWN_EX F_GETOWNER_UIDS
  36 F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW
  1024 F_SETLEASE F_GETLEASE F_NOTIFY F_DUPFD_QUERY F_CREATED_QUERY F_CANCELLK F_DUPFD_CLOEXEC F_SETPIPE_SZ
       F_GETPIPE_SZ F_ADD_SEALS F_GET_SEALS F_GET_RW_HINT F_SET_RW_HINT F_GET_FILE_RW_HINT F_SET_FILE_RW_HINT
       F_GETDELEG F_SETDELEG
`);

/** linux/fadvise.h. */
const fadvice = enumeration(`
  0 POSIX_FADV_NORMAL POSIX_FADV_RANDOM POSIX_FADV_SEQUENTIAL POSIX_FADV_WILLNEED POSIX_FADV_DONTNEED
    POSIX_FADV_NOREUSE
`);
/** linux/fs.h. */
const syncFileRangeFlags = flags({
  SYNC_FILE_RANGE_WAIT_BEFORE: 1,
  SYNC_FILE_RANGE_WRITE: 2,
  SYNC_FILE_RANGE_WAIT_AFTER: 4,
});
/** linux/fs.h. */
const rwfFlags = flags({
  RWF_HIPRI: 1,
  RWF_DSYNC: 2,
  RWF_SYNC: 4,
  RWF_NOWAIT: 8,
  RWF_APPEND: 0x10,
  RWF_NOAPPEND: 0x20,
  RWF_ATOMIC: 0x40,
  RWF_DONTCACHE: 0x80,
  RWF_NOSIGNAL: 0x100,
});
/** linux/splice.h, in the kernel's own include. */
const spliceFlags = flags({
  SPLICE_F_MOVE: 1,
  SPLICE_F_NONBLOCK: 2,
  SPLICE_F_MORE: 4,
  SPLICE_F_GIFT: 8,
});

/** linux/close_range.h. */
const closeRangeFlags = flags({ CLOSE_RANGE_UNSHARE: 2, CLOSE_RANGE_CLOEXEC: 4 });

export const fileTables = {
  resolveFlags,
  atFlags,
  unlinkFlags,
  accessAtFlags,
  handleFlags,
  execFlags,
  accessMode,
  renameFlags,
  xattrFlags,
  fallocateFlags,
  whence,
  flockOperation,
  statxMask,
  fcntlCommand,
  fadvice,
  syncFileRangeFlags,
  rwfFlags,
  spliceFlags,
  closeRangeFlags,
};
