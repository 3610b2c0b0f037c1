import { enumeration, field, flags } from "../flag-table.js";

/** linux/inotify.h. */
const inotifyMask = flags({
  IN_ALL_EVENTS: 0xfff,
  IN_ACCESS: 0x1,
  IN_MODIFY: 0x2,
  IN_ATTRIB: 0x4,
  IN_CLOSE_WRITE: 0x8,
  IN_CLOSE_NOWRITE: 0x10,
  IN_OPEN: 0x20,
  IN_MOVED_FROM: 0x40,
  IN_MOVED_TO: 0x80,
  IN_CREATE: 0x100,
  IN_DELETE: 0x200,
  IN_DELETE_SELF: 0x400,
  IN_MOVE_SELF: 0x800,
  IN_ONLYDIR: 0x0100_0000,
  IN_DONT_FOLLOW: 0x0200_0000,
  IN_EXCL_UNLINK: 0x0400_0000,
  IN_MASK_CREATE: 0x1000_0000,
  IN_MASK_ADD: 0x2000_0000,
  IN_ONESHOT: 0x8000_0000,
});
/** linux/fanotify.h. */
const fanotifyInitFlags = flags({
  FAN_CLOEXEC: 0x1,
  FAN_NONBLOCK: 0x2,
  ...field(0xc, "0 FAN_CLASS_NOTIF 4 FAN_CLASS_CONTENT 8 FAN_CLASS_PRE_CONTENT"),
  FAN_UNLIMITED_QUEUE: 0x10,
  FAN_UNLIMITED_MARKS: 0x20,
  FAN_ENABLE_AUDIT: 0x40,
  FAN_REPORT_PIDFD: 0x80,
  FAN_REPORT_TID: 0x100,
  FAN_REPORT_FID: 0x200,
  FAN_REPORT_DIR_FID: 0x400,
  FAN_REPORT_NAME: 0x800,
  FAN_REPORT_TARGET_FID: 0x1000,
  FAN_REPORT_FD_ERROR: 0x2000,
  FAN_REPORT_MNT: 0x4000,
});
/** linux/fanotify.h. */
const fanotifyMarkFlags = flags({
  FAN_MARK_ADD: 0x1,
  FAN_MARK_REMOVE: 0x2,
  FAN_MARK_DONT_FOLLOW: 0x4,
  FAN_MARK_ONLYDIR: 0x8,
  FAN_MARK_MNTNS: [0x110, 0x110],
  FAN_MARK_MOUNT: 0x10,
  FAN_MARK_IGNORED_MASK: 0x20,
  FAN_MARK_IGNORED_SURV_MODIFY: 0x40,
  FAN_MARK_FLUSH: 0x80,
  FAN_MARK_FILESYSTEM: 0x100,
  FAN_MARK_EVICTABLE: 0x200,
  FAN_MARK_IGNORE: 0x400,
});
const fanotifyMask = flags(
  {
    FAN_ACCESS: 0x1,
    FAN_MODIFY: 0x2,
    FAN_ATTRIB: 0x4,
    FAN_CLOSE_WRITE: 0x8,
    FAN_CLOSE_NOWRITE: 0x10,
    FAN_OPEN: 0x20,
    FAN_MOVED_FROM: 0x40,
    FAN_MOVED_TO: 0x80,
    FAN_CREATE: 0x100,
    FAN_DELETE: 0x200,
    FAN_DELETE_SELF: 0x400,
    FAN_MOVE_SELF: 0x800,
    FAN_OPEN_EXEC: 0x1000,
    FAN_FS_ERROR: 0x8000,
    FAN_OPEN_PERM: 0x1_0000,
    FAN_ACCESS_PERM: 0x2_0000,
    FAN_OPEN_EXEC_PERM: 0x4_0000,
    FAN_PRE_ACCESS: 0x10_0000,
    FAN_MNT_ATTACH: 0x100_0000,
    FAN_MNT_DETACH: 0x200_0000,
    FAN_EVENT_ON_CHILD: 0x0800_0000,
    FAN_RENAME: 0x1000_0000,
    FAN_ONDIR: 0x4000_0000,
  },
  64,
);

/** O_CLOEXEC and O_NONBLOCK of asm-generic/fcntl.h under the names that each call gives them. */
export const pipeFlags = flags({
  O_NONBLOCK: 0o4000,
  O_CLOEXEC: 0o2000000,
  O_DIRECT: 0o40000,
  O_NOTIFICATION_PIPE: 0o200,
});
export const pipeFlagsArm64 = flags({
  O_NONBLOCK: 0o4000,
  O_CLOEXEC: 0o2000000,
  O_DIRECT: 0o200000,
  O_NOTIFICATION_PIPE: 0o200,
});
const cloexecFlags = flags({ O_CLOEXEC: 0o2000000 });
const epollFlags = flags({ EPOLL_CLOEXEC: 0o2000000 });
/** linux/eventpoll.h. */
const epollOperation = enumeration("1 EPOLL_CTL_ADD EPOLL_CTL_DEL EPOLL_CTL_MOD");
const eventfdFlags = flags({ EFD_SEMAPHORE: 1, EFD_NONBLOCK: 0o4000, EFD_CLOEXEC: 0o2000000 });
const timerfdFlags = flags({ TFD_NONBLOCK: 0o4000, TFD_CLOEXEC: 0o2000000 });
const signalfdFlags = flags({ SFD_NONBLOCK: 0o4000, SFD_CLOEXEC: 0o2000000 });
const inotifyFlags = flags({ IN_NONBLOCK: 0o4000, IN_CLOEXEC: 0o2000000 });

export const descriptorTables = {
  inotifyMask,
  fanotifyInitFlags,
  fanotifyMarkFlags,
  fanotifyMask,
  cloexecFlags,
  epollFlags,
  epollOperation,
  eventfdFlags,
  timerfdFlags,
  signalfdFlags,
  inotifyFlags,
};
