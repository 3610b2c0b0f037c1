#include "rootfs.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cstdio>

#include "../sys/syscalls.h"
#include "net_ns.h"
#include "privileges.h"
#include "report.h"
#include "sources.h"

namespace skillbox {

namespace {

// Where the scaffold is mounted: the plan's own /proc comes to lie over it, and nobody inside may take that away. To detach
// it would hold every launch up for a grace period of the kernel's (0.3 ms).
constexpr const char* kScaffold = "proc";
// A name that exists only while the root is assembled.
constexpr const char* kUpper = ".upper";

constexpr size_t kMaxOwnFilesystems = 512;

// Empty things to cover others with, in a tmpfs of their own.
struct Scaffold {
  Fd directory;         // readable
  Fd masked_directory;  // not even that
  Fd masked_file;
};

struct Assembly {
  const LaunchPlan& plan;
  int root;
  TreeReceiver* trees;
  int control;
  // Devices of the file systems that this launch made. Only there may a mount point be created: never on the host.
  dev_t own_devices[kMaxOwnFilesystems];
  size_t own_device_count;
  Scaffold scaffold;
};

const char* relative(const char* target) {
  while (*target == '/') target++;
  return *target == '\0' ? "." : target;
}

int open_inside(const Assembly& assembly, const char* path, uint64_t flags) {
  return sys::openat2(assembly.root, path, flags | O_CLOEXEC,
                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

Status remember_own(Assembly* assembly, int directory, const char* target) {
  struct stat found;
  if (fstat(directory, &found) != 0) return failure("rootfs", "fstat", target);
  if (assembly->own_device_count == kMaxOwnFilesystems) return failure_with(E2BIG, "rootfs", "count", target);
  assembly->own_devices[assembly->own_device_count++] = found.st_dev;
  return success();
}

// The directory in which `target` is to be created, and its last component.
Status open_own_parent(const Assembly& assembly, const char* target, Fd* parent, const char** name) {
  char path[4096];
  const char* from = relative(target);
  const char* slash = strrchr(from, '/');
  *name = slash == nullptr ? from : slash + 1;
  const size_t length = slash == nullptr ? 0 : static_cast<size_t>(slash - from);
  if (length >= sizeof path) return failure_with(ENAMETOOLONG, "rootfs", "create", target);
  memcpy(path, from, length);
  path[length] = '\0';
  parent->reset(open_inside(assembly, length == 0 ? "." : path, O_PATH | O_DIRECTORY));
  if (!*parent) return failure("rootfs", "open parent", target);
  struct stat found;
  if (fstat(parent->get(), &found) != 0) return failure("rootfs", "fstat", target);
  for (size_t i = 0; i < assembly.own_device_count; i++) {
    if (assembly.own_devices[i] == found.st_dev) return success();
  }
  return failure_with(EXDEV, "rootfs", "create on the host", target);
}

Status make_directory(const Assembly& assembly, const Operation& operation) {
  Fd parent;
  const char* name;
  SKILLBOX_TRY(open_own_parent(assembly, operation.target, &parent, &name));
  if (mkdirat(parent.get(), name, operation.mode) != 0 && errno != EEXIST) {
    return failure("rootfs", "mkdir", operation.target);
  }
  return success();
}

Status make_file(const Assembly& assembly, const Operation& operation) {
  Fd parent;
  const char* name;
  SKILLBOX_TRY(open_own_parent(assembly, operation.target, &parent, &name));
  const Fd file(openat(parent.get(), name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, operation.mode));
  if (!file) return failure("rootfs", "create", operation.target);
  for (uint32_t done = 0; done < operation.data_length;) {
    const ssize_t written = write(file.get(), operation.data + done, operation.data_length - done);
    if (written < 0) return failure("rootfs", "write", operation.target);
    done += static_cast<uint32_t>(written);
  }
  return success();
}

Status make_symlink(const Assembly& assembly, const Operation& operation) {
  Fd parent;
  const char* name;
  SKILLBOX_TRY(open_own_parent(assembly, operation.target, &parent, &name));
  if (symlinkat(reinterpret_cast<const char*>(operation.data), parent.get(), name) != 0) {
    return failure("rootfs", "symlink", operation.target);
  }
  return success();
}

Status attach(const Assembly& assembly, int mount, const char* target) {
  const Fd place(open_inside(assembly, relative(target), O_PATH | O_NOFOLLOW));
  if (!place) return failure("rootfs", "open mount point", target);
  if (sys::move_mount(mount, "", place.get(), "", sys::MOVE_MOUNT_F_EMPTY_PATH_ | sys::MOVE_MOUNT_T_EMPTY_PATH_) != 0) {
    return failure("rootfs", "move_mount", target);
  }
  return success();
}

Status set_attributes(int tree, uint64_t set, const char* target) {
  sys::mount_attr_ attributes = {};
  attributes.attr_set = set;
  attributes.propagation = sys::MS_PRIVATE_;
  if (sys::mount_setattr(tree, "", AT_EMPTY_PATH | sys::AT_RECURSIVE_, attributes) != 0) {
    return failure("rootfs", "mount_setattr", target);
  }
  return success();
}

// A detached tree of the source, whoever had to make it.
Status take_tree(const Assembly& assembly, uint32_t index, Fd* tree) {
  if (assembly.plan.root_caller) return assembly.trees->take(assembly.plan, index, tree);
  return clone_source(assembly.plan.sources[index], tree);
}

Status bind(const Assembly& assembly, const Operation& operation) {
  Fd tree;
  SKILLBOX_TRY(take_tree(assembly, operation.source, &tree));
  SKILLBOX_TRY(set_attributes(tree.get(), operation.attributes, operation.target));
  return attach(assembly, tree.get(), operation.target);
}

Status make_filesystem(const char* type, const Operation& operation, Fd* mount) {
  const Fd filesystem(sys::fsopen(type));
  if (!filesystem) return failure("rootfs", "fsopen", type);
  const auto option = [&](const char* key, const char* value) {
    return sys::fsconfig_string(filesystem.get(), key, value) == 0 ? success() : failure("rootfs", "fsconfig", key);
  };
  char number[32];
  if (operation.size != 0) {
    snprintf(number, sizeof number, "%llu", static_cast<unsigned long long>(operation.size));
    SKILLBOX_TRY(option("size", number));
  }
  if (operation.inodes != 0) {
    snprintf(number, sizeof number, "%llu", static_cast<unsigned long long>(operation.inodes));
    SKILLBOX_TRY(option("nr_inodes", number));
  }
  if (operation.mode != 0) {
    snprintf(number, sizeof number, "%o", operation.mode);
    SKILLBOX_TRY(option("mode", number));
  }
  if (strcmp(type, "devpts") == 0) SKILLBOX_TRY(option("ptmxmode", "0666"));
  if (sys::fsconfig_create(filesystem.get()) != 0) return failure("rootfs", "create", type);
  mount->reset(sys::fsmount(filesystem.get(), operation.attributes));
  if (!*mount) return failure("rootfs", "fsmount", type);
  return success();
}

Status mount_filesystem(Assembly* assembly, const char* type, const Operation& operation) {
  Fd mount;
  SKILLBOX_TRY(make_filesystem(type, operation, &mount));
  if (operation.kind == OperationKind::tmpfs) SKILLBOX_TRY(remember_own(assembly, mount.get(), operation.target));
  // Through our own mount: in a container the host's /proc/sys is read-only.
  if (operation.kind == OperationKind::proc) {
    SKILLBOX_TRY(forbid_user_namespaces(mount.get()));
    SKILLBOX_TRY(leave_inotify_to_others(mount.get()));
    if (assembly->plan.egress) SKILLBOX_TRY(make_every_address_local(mount.get()));
  }
  return attach(*assembly, mount.get(), operation.target);
}

Status detach_and_remove(const Assembly& assembly, const char* name) {
  const Fd directory(open_inside(assembly, name, O_PATH | O_DIRECTORY));
  if (!directory) return failure("rootfs", "open", name);
  char self[32];
  snprintf(self, sizeof self, "/proc/self/fd/%d", directory.get());
  if (umount2(self, MNT_DETACH) != 0) return failure("rootfs", "umount", name);
  if (unlinkat(assembly.root, name, AT_REMOVEDIR) != 0) return failure("rootfs", "rmdir", name);
  return success();
}

// The lower directory of an overlay as something that overlayfs accepts: a path of this mount namespace. A root
// caller's tree is detached until it is attached, and overlayfs refuses detached layers before Linux 6.15.
Status open_lower(const Assembly& assembly, const Operation& operation, Fd* lower) {
  const Source& source = assembly.plan.sources[operation.source];
  if (!assembly.plan.root_caller) return open_source(source, lower);
  Fd tree;
  SKILLBOX_TRY(take_tree(assembly, operation.source, &tree));
  SKILLBOX_TRY(set_attributes(tree.get(), operation.attributes | sys::MOUNT_ATTR_RDONLY_, operation.target));
  SKILLBOX_TRY(attach(assembly, tree.get(), operation.target));
  lower->reset(open_inside(assembly, relative(operation.target), O_PATH | O_DIRECTORY));
  if (!*lower) return failure("rootfs", "open lower", operation.target);
  return success();
}

Status mount_overlay(const Assembly& assembly, const Operation& operation, const char* lower, const char* upper,
                     const char* work) {
  const Fd filesystem(sys::fsopen("overlay"));
  if (!filesystem) return failure("rootfs", "fsopen", "overlay");
  const auto option = [&](const char* key, const char* value) {
    return sys::fsconfig_string(filesystem.get(), key, value) == 0 ? success() : failure("rootfs", "fsconfig", key);
  };
  SKILLBOX_TRY(option("lowerdir", lower));
  if (upper != nullptr) {
    SKILLBOX_TRY(option("upperdir", upper));
    SKILLBOX_TRY(option("workdir", work));
  }
  // trusted.* attributes need capabilities in the first user namespace.
  if (sys::fsconfig_flag(filesystem.get(), "userxattr") != 0) return failure("rootfs", "fsconfig", "userxattr");
  if (sys::fsconfig_create(filesystem.get()) != 0) return failure("rootfs", "create", "overlay");
  const Fd mount(sys::fsmount(filesystem.get(), operation.attributes));
  if (!mount) return failure("rootfs", "fsmount", "overlay");
  return attach(assembly, mount.get(), operation.target);
}

// Read grants are overlays because a read-only bind mount still lets a program connect to the host's Unix sockets and
// write to its FIFOs; through overlayfs both are inodes of their own, with nobody at the other end.
Status mount_overlay_read(const Assembly& assembly, const Operation& operation) {
  Fd lower;
  SKILLBOX_TRY(open_lower(assembly, operation, &lower));
  // Without an upper layer overlayfs wants two lower ones.
  char layers[64];
  snprintf(layers, sizeof layers, "/proc/self/fd/%d:/proc/self/fd/%d", lower.get(), assembly.scaffold.directory.get());
  return mount_overlay(assembly, operation, layers, nullptr, nullptr);
}

// Upper and work directories: in a tmpfs of their own, or where the plan has a directory on disk for them.
Status open_upper(const Assembly& assembly, const Operation& operation, Fd* directory) {
  if (mkdirat(assembly.root, kUpper, 0700) != 0) return failure("rootfs", "mkdir", kUpper);
  Fd mount;
  if (operation.upper == kNoSource) {
    Operation tmpfs = operation;
    tmpfs.mode = 0700;
    tmpfs.attributes = sys::MOUNT_ATTR_NOSUID_ | sys::MOUNT_ATTR_NODEV_;
    SKILLBOX_TRY(make_filesystem("tmpfs", tmpfs, &mount));
  } else {
    SKILLBOX_TRY(take_tree(assembly, operation.upper, &mount));
    SKILLBOX_TRY(set_attributes(mount.get(), sys::MOUNT_ATTR_NOSUID_ | sys::MOUNT_ATTR_NODEV_, kUpper));
  }
  SKILLBOX_TRY(attach(assembly, mount.get(), kUpper));
  directory->reset(open_inside(assembly, kUpper, O_RDONLY | O_DIRECTORY));
  if (!*directory) return failure("rootfs", "open", kUpper);
  if (operation.upper != kNoSource && assembly.plan.root_caller) return success();  // made outside, with their owner
  for (const char* name : {"upper", "work"}) {
    if (mkdirat(directory->get(), name, 0700) != 0) return failure("rootfs", "mkdir", name);
  }
  return success();
}

Status mount_overlay_write(const Assembly& assembly, const Operation& operation, uint32_t index) {
  Fd lower;
  SKILLBOX_TRY(open_lower(assembly, operation, &lower));
  Fd directory;
  SKILLBOX_TRY(open_upper(assembly, operation, &directory));
  const Fd upper(openat(directory.get(), "upper", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  const Fd work(openat(directory.get(), "work", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!upper || !work) return failure("rootfs", "open upper", operation.target);

  // The root of the overlay takes its mode from the upper directory.
  struct stat below;
  if (fstat(lower.get(), &below) != 0) return failure("rootfs", "fstat", operation.target);
  if (fchmod(upper.get(), below.st_mode & 0777) != 0) return failure("rootfs", "chmod upper", operation.target);

  char paths[3][32];
  snprintf(paths[0], sizeof paths[0], "/proc/self/fd/%d", lower.get());
  snprintf(paths[1], sizeof paths[1], "/proc/self/fd/%d", upper.get());
  snprintf(paths[2], sizeof paths[2], "/proc/self/fd/%d", work.get());
  SKILLBOX_TRY(mount_overlay(assembly, operation, paths[0], paths[1], paths[2]));

  // The overlay keeps a private copy of the mount; the name must not be there for the program to find.
  SKILLBOX_TRY(detach_and_remove(assembly, kUpper));

  ReportWriter report(Report::upper);
  report.u32(index);
  const int fds[] = {upper.get()};
  if (!report.send(assembly.control, fds)) return failure("rootfs", "send upper", operation.target);
  return success();
}

Status clone_place(const Fd& place, const char* path, Fd* tree) {
  tree->reset(sys::open_tree(place.get(), "", AT_EMPTY_PATH | sys::OPEN_TREE_CLONE_ | sys::AT_RECURSIVE_ | O_CLOEXEC));
  if (!*tree) return failure("rootfs", "open_tree", path);
  return success();
}

Status mask(const Assembly& assembly, const Operation& operation) {
  const Fd place(open_inside(assembly, relative(operation.target), O_PATH | O_NOFOLLOW));
  if (!place) return failure("rootfs", "open", operation.target);
  struct stat found;
  if (fstat(place.get(), &found) != 0) return failure("rootfs", "fstat", operation.target);
  Fd tree;
  const Scaffold& scaffold = assembly.scaffold;
  SKILLBOX_TRY(
      clone_place(S_ISDIR(found.st_mode) ? scaffold.masked_directory : scaffold.masked_file, operation.target, &tree));
  SKILLBOX_TRY(set_attributes(tree.get(), operation.attributes | sys::MOUNT_ATTR_RDONLY_, operation.target));
  return attach(assembly, tree.get(), operation.target);
}

Status make_read_only(const Assembly& assembly, const Operation& operation) {
  const Fd place(open_inside(assembly, relative(operation.target), O_PATH | O_NOFOLLOW));
  if (!place) return failure("rootfs", "open", operation.target);
  Fd tree;
  SKILLBOX_TRY(clone_place(place, operation.target, &tree));
  SKILLBOX_TRY(set_attributes(tree.get(), operation.attributes | sys::MOUNT_ATTR_RDONLY_, operation.target));
  return attach(assembly, tree.get(), operation.target);
}

Status carry_out(Assembly* assembly, const Operation& operation, uint32_t index) {
  switch (operation.kind) {
    case OperationKind::directory:
      return make_directory(*assembly, operation);
    case OperationKind::file:
      return make_file(*assembly, operation);
    case OperationKind::symlink:
      return make_symlink(*assembly, operation);
    case OperationKind::bind:
      return bind(*assembly, operation);
    case OperationKind::tmpfs:
      return mount_filesystem(assembly, "tmpfs", operation);
    case OperationKind::proc:
      return mount_filesystem(assembly, "proc", operation);
    case OperationKind::devpts:
      return mount_filesystem(assembly, "devpts", operation);
    case OperationKind::overlay_read:
      return mount_overlay_read(*assembly, operation);
    case OperationKind::overlay_write:
      return mount_overlay_write(*assembly, operation, index);
    case OperationKind::mask:
      return mask(*assembly, operation);
    case OperationKind::read_only:
      return make_read_only(*assembly, operation);
  }
  return failure_with(EINVAL, "rootfs", "unknown operation", operation.target);
}

Status make_scaffold(Assembly* assembly) {
  if (mkdirat(assembly->root, kScaffold, 0755) != 0) return failure("rootfs", "mkdir", kScaffold);
  Operation tmpfs = {};
  tmpfs.size = 64 << 10;
  tmpfs.inodes = 16;
  tmpfs.mode = 0755;
  tmpfs.attributes = sys::MOUNT_ATTR_NOSUID_ | sys::MOUNT_ATTR_NODEV_;
  Fd mount;
  SKILLBOX_TRY(make_filesystem("tmpfs", tmpfs, &mount));
  SKILLBOX_TRY(attach(*assembly, mount.get(), kScaffold));
  Scaffold& scaffold = assembly->scaffold;
  const auto directory = [&](const char* name, mode_t mode, Fd* opened) {
    if (mkdirat(mount.get(), name, mode) != 0) return failure("rootfs", "mkdir", name);
    opened->reset(openat(mount.get(), name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return *opened ? success() : failure("rootfs", "open", name);
  };
  SKILLBOX_TRY(directory("empty", 0755, &scaffold.directory));
  SKILLBOX_TRY(directory("masked-directory", 0, &scaffold.masked_directory));
  const Fd file(openat(mount.get(), "masked-file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0));
  if (!file) return failure("rootfs", "create", "masked-file");
  scaffold.masked_file.reset(openat(mount.get(), "masked-file", O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!scaffold.masked_file) return failure("rootfs", "open", "masked-file");
  return success();
}

}  // namespace

Status mount_skeleton(Fd* root) {
  // Nothing that is mounted from here on may travel back to the host, nor the other way.
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return failure("rootfs", "make private", "/");
  Operation skeleton = {};
  skeleton.size = 16 << 20;
  skeleton.inodes = 16384;
  skeleton.mode = 0755;
  skeleton.attributes = sys::MOUNT_ATTR_NOSUID_ | sys::MOUNT_ATTR_NODEV_;
  SKILLBOX_TRY(make_filesystem("tmpfs", skeleton, root));
  if (sys::move_mount(root->get(), "", AT_FDCWD, "/", sys::MOVE_MOUNT_F_EMPTY_PATH_) != 0) {
    return failure("rootfs", "move_mount", "/");
  }
  return success();
}

Status assemble_root(const LaunchPlan& plan, int root, TreeReceiver* trees, int control) {
  Assembly assembly = {plan, root, trees, control, {}, 0, {}};
  SKILLBOX_TRY(remember_own(&assembly, root, "/"));
  SKILLBOX_TRY(make_scaffold(&assembly));
  for (size_t i = 0; i < plan.operation_count; i++) {
    const Operation& operation = plan.operations[i];
    const Status status = carry_out(&assembly, operation, static_cast<uint32_t>(i));
    if (!status.ok() && !(operation.optional && status.error == ENOENT)) return status;
  }
  sys::mount_attr_ read_only = {};
  read_only.attr_set = sys::MOUNT_ATTR_RDONLY_;
  if (sys::mount_setattr(root, "", AT_EMPTY_PATH, read_only) != 0) return failure("rootfs", "mount_setattr", "/");
  return success();
}

Status enter_root(int root) {
  if (fchdir(root) != 0) return failure("rootfs", "fchdir");
  // pivot_root(2): with "." twice the old root ends up stacked on the new one, to be detached at once; no directory
  // is needed for it.
  if (sys::pivot_root(".", ".") != 0) return failure("rootfs", "pivot_root");
  if (umount2(".", MNT_DETACH) != 0) return failure("rootfs", "umount", "host root");
  if (chdir("/") != 0) return failure("rootfs", "chdir", "/");
  return success();
}

}  // namespace skillbox
