#include "sources.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "../sys/syscalls.h"

namespace skillbox {

namespace {

bool kind_matches(SourceKind kind, mode_t mode) {
  switch (kind) {
    case SourceKind::any:
      return true;
    case SourceKind::directory:
      return S_ISDIR(mode);
    case SourceKind::file:
      return S_ISREG(mode);
    case SourceKind::device:
      return S_ISCHR(mode);
  }
  return false;
}

// Upper and work of an overlay on disk belong to whoever writes through the overlay.
Status prepare_upper(int directory, OutsideIdentity outside, const char* path) {
  for (const char* name : {"upper", "work"}) {
    if (mkdirat(directory, name, 0700) != 0) return failure("sources", "mkdir", path);
    if (fchownat(directory, name, outside.uid, outside.gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return failure("sources", "chown", path);
    }
  }
  return success();
}

}  // namespace

Status open_source(const Source& source, Fd* file) {
  file->reset(sys::openat2(AT_FDCWD, source.path, O_PATH | O_CLOEXEC | O_NOFOLLOW,
                           RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS));
  if (!*file) return failure("sources", "openat2", source.path);
  struct stat found;
  if (fstat(file->get(), &found) != 0) return failure("sources", "fstat", source.path);
  if (found.st_dev != source.device || found.st_ino != source.inode || !kind_matches(source.kind, found.st_mode)) {
    return failure_with(ESTALE, "sources", "compare", source.path);
  }
  return success();
}

Status clone_source(const Source& source, Fd* tree) {
  Fd file;
  SKILLBOX_TRY(open_source(source, &file));
  // Recursive: in a new user namespace the mounts below a directory are locked to it, and leaving them out is EINVAL.
  tree->reset(sys::open_tree(file.get(), "", AT_EMPTY_PATH | sys::OPEN_TREE_CLONE_ | sys::AT_RECURSIVE_ | O_CLOEXEC));
  if (!*tree) return failure("sources", "open_tree", source.path);
  return success();
}

Status clone_all_sources(const LaunchPlan& plan, OutsideIdentity outside, Fd* trees) {
  Fd idmap;
  uint32_t idmap_uid = 0;
  uint32_t idmap_gid = 0;
  for (size_t i = 0; i < plan.source_count; i++) {
    const Source& source = plan.sources[i];
    SKILLBOX_TRY(clone_source(source, &trees[i]));
    if (!source.idmapped) continue;
    // Nearly always one owner for all grants, so one namespace.
    if (!idmap || idmap_uid != source.owner_uid || idmap_gid != source.owner_gid) {
      SKILLBOX_TRY(make_idmap_namespace(source.owner_uid, source.owner_gid, outside, &idmap));
      idmap_uid = source.owner_uid;
      idmap_gid = source.owner_gid;
    }
    sys::mount_attr_ attributes = {};
    attributes.attr_set = sys::MOUNT_ATTR_IDMAP_;
    attributes.userns_fd = static_cast<uint64_t>(idmap.get());
    if (sys::mount_setattr(trees[i].get(), "", AT_EMPTY_PATH | sys::AT_RECURSIVE_, attributes) != 0) {
      return failure("sources", "idmap", source.path);
    }
  }
  for (size_t i = 0; i < plan.operation_count; i++) {
    const uint32_t upper = plan.operations[i].upper;
    if (upper == kNoSource) continue;
    const Fd directory(openat(trees[upper].get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) return failure("sources", "open", plan.sources[upper].path);
    SKILLBOX_TRY(prepare_upper(directory.get(), outside, plan.sources[upper].path));
  }
  return success();
}

}  // namespace skillbox
