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

// Nearly always one owner for all grants, so one namespace.
class IdmapNamespace {
 public:
  explicit IdmapNamespace(OutsideIdentity outside) : outside_(outside) {}
  IdmapNamespace(const IdmapNamespace&) = delete;
  IdmapNamespace& operator=(const IdmapNamespace&) = delete;
  ~IdmapNamespace() { reap_holders(); }

  Status apply(int tree, const Source& source) {
    if (!namespace_ || uid_ != source.owner_uid || gid_ != source.owner_gid) {
      SKILLBOX_TRY(make_idmap_namespace(source.owner_uid, source.owner_gid, outside_, &namespace_));
      uid_ = source.owner_uid;
      gid_ = source.owner_gid;
    }
    sys::mount_attr_ attributes = {};
    attributes.attr_set = sys::MOUNT_ATTR_IDMAP_;
    attributes.userns_fd = static_cast<uint64_t>(namespace_.get());
    if (sys::mount_setattr(tree, "", AT_EMPTY_PATH | sys::AT_RECURSIVE_, attributes) != 0) {
      return failure("sources", "idmap", source.path);
    }
    return success();
  }

 private:
  OutsideIdentity outside_;
  Fd namespace_;
  uint32_t uid_ = 0;
  uint32_t gid_ = 0;
};

bool is_upper(const LaunchPlan& plan, size_t source) {
  for (size_t i = 0; i < plan.operation_count; i++) {
    if (plan.operations[i].upper == source) return true;
  }
  return false;
}

// Upper and work of an overlay on disk belong to whoever writes through the overlay.
Status prepare_upper(int tree, OutsideIdentity outside, const char* path) {
  const Fd opened(openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened) return failure("sources", "open", path);
  const int directory = opened.get();
  if (fchown(directory, outside.uid, outside.gid) != 0) return failure("sources", "chown", path);
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

Status send_all_sources(const LaunchPlan& plan, OutsideIdentity outside, TreeSender* trees) {
  IdmapNamespace idmap(outside);
  for (size_t i = 0; i < plan.source_count; i++) {
    const Source& source = plan.sources[i];
    Fd tree;
    SKILLBOX_TRY(clone_source(source, &tree));
    if (source.idmapped) SKILLBOX_TRY(idmap.apply(tree.get(), source));
    if (is_upper(plan, i)) SKILLBOX_TRY(prepare_upper(tree.get(), outside, source.path));
    SKILLBOX_TRY(trees->add(std::move(tree)));
  }
  return trees->flush();
}

}  // namespace skillbox
