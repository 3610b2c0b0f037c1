// System calls and constants that the C library of a supported host may not have, under their kernel names.
// Kernel versions in the comments are the first that has the call; skillbox needs Linux 5.12 (mount_setattr).
#pragma once

#include <linux/openat2.h>
#include <linux/sched.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif

namespace skillbox::sys {

// fsopen(2) family, Linux 5.2. Values from include/uapi/linux/mount.h; glibc before 2.36 has none of them, and
// <linux/mount.h> collides with <sys/mount.h>.
inline constexpr unsigned FSOPEN_CLOEXEC_ = 1;
inline constexpr unsigned FSMOUNT_CLOEXEC_ = 1;
inline constexpr unsigned FSCONFIG_SET_FLAG_ = 0;
inline constexpr unsigned FSCONFIG_SET_STRING_ = 1;
inline constexpr unsigned FSCONFIG_CMD_CREATE_ = 6;
inline constexpr unsigned OPEN_TREE_CLONE_ = 1;
inline constexpr unsigned MOVE_MOUNT_F_EMPTY_PATH_ = 0x4;
inline constexpr unsigned MOVE_MOUNT_T_EMPTY_PATH_ = 0x40;
inline constexpr unsigned AT_RECURSIVE_ = 0x8000;

inline constexpr uint64_t MOUNT_ATTR_RDONLY_ = 0x1;
inline constexpr uint64_t MOUNT_ATTR_NOSUID_ = 0x2;
inline constexpr uint64_t MOUNT_ATTR_NODEV_ = 0x4;
inline constexpr uint64_t MOUNT_ATTR_NOEXEC_ = 0x8;
inline constexpr uint64_t MOUNT_ATTR_IDMAP_ = 0x00100000;
inline constexpr uint64_t MS_PRIVATE_ = 1 << 18;

struct mount_attr_ {
  uint64_t attr_set;
  uint64_t attr_clr;
  uint64_t propagation;
  uint64_t userns_fd;
};

inline int fsopen(const char* type) { return static_cast<int>(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC_)); }
inline int fsconfig_string(int fs, const char* key, const char* value) {
  return static_cast<int>(syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING_, key, value, 0));
}
inline int fsconfig_flag(int fs, const char* key) {
  return static_cast<int>(syscall(SYS_fsconfig, fs, FSCONFIG_SET_FLAG_, key, nullptr, 0));
}
inline int fsconfig_create(int fs) {
  return static_cast<int>(syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE_, nullptr, nullptr, 0));
}
inline int fsmount(int fs, uint64_t attributes) {
  return static_cast<int>(syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC_, attributes));
}
inline int open_tree(int dirfd, const char* path, unsigned flags) {
  return static_cast<int>(syscall(SYS_open_tree, dirfd, path, flags));
}
inline int move_mount(int from, const char* from_path, int to, const char* to_path, unsigned flags) {
  return static_cast<int>(syscall(SYS_move_mount, from, from_path, to, to_path, flags));
}
inline int mount_setattr(int dirfd, const char* path, unsigned flags, const mount_attr_& attributes) {
  return static_cast<int>(syscall(SYS_mount_setattr, dirfd, path, flags, &attributes, sizeof attributes));
}
inline int pivot_root(const char* new_root, const char* put_old) {
  return static_cast<int>(syscall(SYS_pivot_root, new_root, put_old));
}
inline int openat2(int dirfd, const char* path, uint64_t flags, uint64_t resolve, uint64_t mode = 0) {
  open_how how = {};
  how.flags = flags;
  how.mode = mode;
  how.resolve = resolve;
  return static_cast<int>(syscall(SYS_openat2, dirfd, path, &how, sizeof how));
}
inline pid_t clone3(const clone_args& arguments) {
  return static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
}
inline int close_range(unsigned first, unsigned last, unsigned flags) {
  return static_cast<int>(syscall(SYS_close_range, first, last, flags));
}

}  // namespace skillbox::sys
