#include "commit.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "../sys/syscalls.h"
#include "changes.h"
#include "remove.h"
#include "staged_file.h"

namespace skillbox::overlay {

namespace {

// Nothing that follows would fare better.
bool is_final(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case EIO:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ESTALE:
      return true;
    default:
      return false;
  }
}

// Where a link's text leads from a directory `depth` levels below the root, as a path from the root: only "..", then
// names. A ".." after a name would depend on what that name is, now or later. False: not provably inside.
bool resolve_link(const std::string& directory, const std::string& text, std::string* from_root) {
  if (text.empty() || text.front() == '/') return false;
  std::string base = directory;
  bool has_name = false;
  for (size_t start = 0; start <= text.size();) {
    const size_t slash = std::min(text.find('/', start), text.size());
    const std::string component = text.substr(start, slash - start);
    start = slash + 1;
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      has_name = true;
      base += component + '/';
      continue;
    }
    if (has_name || base.empty()) return false;
    base.pop_back();
    base.resize(base.rfind('/') == std::string::npos ? 0 : base.rfind('/') + 1);
  }
  *from_root = base.empty() ? "." : base;
  return true;
}

class Committer {
 public:
  Committer(int upper_fd, int target_fd, const CommitOptions& options, CommitReport* report)
      : walk_(upper_fd, options.attributes), target_fd_(target_fd), options_(options), report_(report) {}

  bool run() {
    if (const int error = target_.open(target_fd_); error != 0) return stop_with({"open target", "", error});
    frames_.push_back({});
    for (;;) {
      switch (walk_.next()) {
        case UpperWalk::Step::failed:
          return stop_with(walk_.error());
        case UpperWalk::Step::done:
          return true;
        case UpperWalk::Step::leave:
          if (!leave()) return false;
          break;
        case UpperWalk::Step::entry:
          if (!visit()) return false;
          break;
      }
    }
  }

  const Error& error() const { return error_; }

 private:
  // One per directory that is open on both sides.
  struct Frame {
    bool is_new = false;
    // One of its names was changed, and so its own time.
    bool is_touched = false;
    bool sets_mode = false;
    mode_t mode = 0;
  };

  bool visit() {
    if (walk_.path().size() >= PATH_MAX) return refuse(Refusal::too_deep);
    struct stat target = {};
    if (::fstatat(target_.fd(), name(), &target, AT_SYMLINK_NOFOLLOW) != 0) {
      const int error = errno;
      if (error != ENOENT) return failed("lstat", error);
      target.st_mode = 0;
    }
    if (walk_.is_whiteout()) return target.st_mode == 0 || remove(walk_.name(), walk_.path());
    switch (file_type(walk_.status().st_mode)) {
      case FileType::directory:
        return enter_directory(target);
      case FileType::file:
        return apply_file(target);
      case FileType::symlink:
        return apply_symlink(target);
      default:
        return refuse(Refusal::special_file);
    }
  }

  // A name of the target's current directory, whatever it is.
  bool remove(const std::string& entry, const std::string& path) {
    if (const int error = remove_tree(target_.fd(), entry.c_str()); error != 0) return failed_at(path, "remove", error);
    ++report_->deleted;
    frames_.back().is_touched = true;
    return true;
  }

  bool enter_directory(const struct stat& target) {
    const std::string entry = walk_.name();
    const struct stat upper = walk_.status();
    const bool exists = S_ISDIR(target.st_mode);
    if (!walk_.enter()) return stop_with(walk_.error());
    if (target.st_mode != 0 && !exists) {
      // Only an opaque directory can have taken the place of something else; one that overlayfs merged had a directory
      // below it, which the host has replaced since. Going on through a link would write wherever it points to.
      if (!walk_.hides_lower())
        return abandon(S_ISLNK(target.st_mode) ? Refusal::target_symlink : Refusal::target_changed);
      if (::unlinkat(target_.fd(), entry.c_str(), 0) != 0) return abandon_failed("remove", errno);
    }
    // Closed to others until its content and its mode are complete.
    if (!exists && ::mkdirat(target_.fd(), entry.c_str(), 0700) != 0) return abandon_failed("mkdir", errno);
    if (const int error = target_.descend(entry.c_str()); error != 0) {
      return error == ELOOP || error == ENOTDIR ? abandon(Refusal::target_symlink) : abandon_failed("open", error);
    }
    if (!exists) frames_.back().is_touched = true;
    frames_.push_back({});
    return exists ? prepare_existing(upper, target) : prepare_new(upper);
  }

  bool prepare_new(const struct stat& upper) {
    ++report_->directories;
    struct stat made;
    if (::fstat(target_.fd(), &made) != 0) return failed("fstat", errno);
    // mkdir(2) hands the parent's set-gid bit down: the host's wish, not the program's.
    frames_.back() = {true, false, true, permissions(upper.st_mode) | (made.st_mode & S_ISGID)};
    if (const int error = give(target_.fd(), options_.uid, options_.gid); error != 0) return failed("chown", error);
    return true;
  }

  bool prepare_existing(const struct stat& upper, const struct stat& target) {
    Frame& frame = frames_.back();
    frame.mode = merged_permissions(upper.st_mode, target.st_mode);
    frame.sets_mode = frame.mode != (target.st_mode & 07777);
    // What the new mode lets the owner do is needed to fill the directory; the rest comes with the final mode.
    if (frame.sets_mode) ::fchmod(target_.fd(), (target.st_mode & 07777) | (frame.mode & 0700));
    return !walk_.hides_lower() || remove_hidden();
  }

  // The program removed the directory and made a new one: what the host has beside the new content was removed too.
  bool remove_hidden() {
    std::vector<std::string> names;
    if (const int error = read_names(target_.fd(), &names); error != 0) return failed("readdir", error);
    for (const std::string& entry : names) {
      if (std::binary_search(walk_.names().begin(), walk_.names().end(), entry)) continue;
      if (!remove(entry, walk_.path() + entry)) return false;
    }
    return true;
  }

  bool leave() {
    const Frame frame = frames_.back();
    const struct stat upper = walk_.directory_status();
    bool ok = true;
    if (frame.sets_mode) {
      if (::fchmod(target_.fd(), frame.mode) != 0)
        ok = failed("chmod", errno);
      else if (!frame.is_new)
        ++report_->modes;
    }
    if (ok && (frame.is_new || frame.is_touched)) {
      if (const int error = set_time(target_.fd(), upper); error != 0) ok = failed("utimens", error);
      if (ok && options_.sync && ::fsync(target_.fd()) != 0) ok = failed("fsync", errno);
    }
    if (frames_.size() > 1 && ok) {
      if (const int error = target_.ascend(); error != 0) return stop_with({"open target ..", walk_.path(), error});
    }
    frames_.pop_back();
    return ok;
  }

  bool apply_file(const struct stat& target) {
    Fd source;
    if (!walk_.open_file(&source)) return stop_with(walk_.error());
    const struct stat upper = walk_.status();
    const bool replaces_file = S_ISREG(target.st_mode);
    if (target.st_mode != 0 && !replaces_file && walk_.is_copied_up(source.get())) {
      return refuse(S_ISLNK(target.st_mode) ? Refusal::target_symlink : Refusal::target_changed);
    }
    if (replaces_file && has_same_content(source.get(), upper, target)) return apply_mode(upper, target);

    StagedFile staged(target_.fd());
    if (const int error = staged.create(); error != 0) return failed("create", error);
    if (const int error = staged.copy_from(source.get(), upper.st_size); error != 0) return failed("copy", error);
    // chown(2) before chmod(2): it takes bits away.
    const int error = replaces_file ? give_back(staged.fd(), target) : give(staged.fd(), options_.uid, options_.gid);
    if (error != 0) return failed("chown", error);
    if (::fchmod(staged.fd(), permissions(upper.st_mode)) != 0) return failed("chmod", errno);
    if (const int failure = set_time(staged.fd(), upper); failure != 0) return failed("utimens", failure);
    if (options_.sync && ::fsync(staged.fd()) != 0) return failed("fsync", errno);
    report_->bytes += static_cast<uint64_t>(upper.st_size);
    return publish(staged);
  }

  // A file that was only opened for writing has been copied up too; the host's may have been changed since.
  bool has_same_content(int source, const struct stat& upper, const struct stat& target) {
    if (upper.st_size != target.st_size) return false;
    Fd file(::openat(target_.fd(), name(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    bool is_equal = false;
    return file && compare_content(source, file.get(), upper.st_size, &is_equal) == 0 && is_equal;
  }

  bool apply_mode(const struct stat& upper, const struct stat& target) {
    const mode_t mode = merged_permissions(upper.st_mode, target.st_mode);
    if (mode == (target.st_mode & 07777)) return true;
    // By descriptor, and through /proc: fchmod(2) takes no O_PATH one, fchmodat2(2) came with Linux 6.6.
    Fd file(::openat(target_.fd(), name(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file) return failed("open", errno);
    struct stat opened;
    if (::fstat(file.get(), &opened) != 0) return failed("fstat", errno);
    if (opened.st_dev != target.st_dev || opened.st_ino != target.st_ino) return refuse(Refusal::target_changed);
    char path[32];
    std::snprintf(path, sizeof path, "/proc/self/fd/%d", file.get());
    if (::chmod(path, mode) != 0) return failed("chmod", errno);
    ++report_->modes;
    return true;
  }

  bool apply_symlink(const struct stat& target) {
    std::string text, existing;
    if (const int error = read_link(walk_.directory(), name(), &text); error != 0) {
      return stop_with({"readlink", walk_.path(), error});
    }
    if (!stays_inside(text)) return refuse(Refusal::symlink_target);
    if (S_ISLNK(target.st_mode) && read_link(target_.fd(), name(), &existing) == 0 && existing == text) return true;
    StagedFile staged(target_.fd());
    if (const int error = staged.create_symlink(text.c_str()); error != 0) return failed("symlink", error);
    const char* temporary = staged.temporary_name().c_str();
    const bool has_owner = options_.uid != static_cast<uid_t>(-1) || options_.gid != static_cast<gid_t>(-1);
    if (has_owner && ::fchownat(target_.fd(), temporary, options_.uid, options_.gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return failed("chown", errno);
    }
    const timespec times[2] = {{0, UTIME_OMIT}, walk_.status().st_mtim};
    if (::utimensat(target_.fd(), temporary, times, AT_SYMLINK_NOFOLLOW) != 0) return failed("utimens", errno);
    return publish(staged);
  }

  // Not through a link that the host already has and that leads out, either.
  bool stays_inside(const std::string& text) const {
    const size_t slash = walk_.path().rfind('/');
    const std::string directory = slash == std::string::npos ? "" : walk_.path().substr(0, slash + 1);
    std::string from_root;
    if (!resolve_link(directory, text, &from_root)) return false;
    for (;;) {
      const Fd end(
          sys::openat2(target_fd_, from_root.c_str(), O_PATH | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
      if (end || errno == ENOENT || errno == ENOTDIR) return true;
      if (errno != EAGAIN && errno != EINTR) return false;
    }
  }

  bool publish(StagedFile& staged) {
    if (const int error = staged.publish(name()); error != 0) return failed("rename", error);
    ++report_->written;
    frames_.back().is_touched = true;
    return true;
  }

  mode_t permissions(mode_t mode) const { return mode & (options_.strip_special_bits ? 0777 : 07777); }

  // Of something that the host had: its own special bits stay unless the program cleared them.
  mode_t merged_permissions(mode_t upper, mode_t target) const {
    return permissions(upper) | (upper & target & (S_ISUID | S_ISGID | S_ISVTX));
  }

  static int give(int file, uid_t uid, gid_t gid) {
    if (uid == static_cast<uid_t>(-1) && gid == static_cast<gid_t>(-1)) return 0;
    return ::fchown(file, uid, gid) == 0 ? 0 : errno;
  }

  // An unprivileged caller cannot give files away, and replaces them with its own.
  static int give_back(int file, const struct stat& target) {
    const int error = give(file, target.st_uid, target.st_gid);
    return error == EPERM ? 0 : error;
  }

  static int set_time(int file, const struct stat& upper) {
    const timespec times[2] = {{0, UTIME_OMIT}, upper.st_mtim};
    return ::futimens(file, times) == 0 ? 0 : errno;
  }

  const char* name() const { return walk_.name().c_str(); }

  // The functions below return whether to go on.
  bool failed(const char* op, int error) { return failed_at(walk_.path(), op, error); }

  bool failed_at(std::string path, const char* op, int error) {
    if (is_final(error)) return stop_with({op, std::move(path), error});
    const Refusal reason = error == EXDEV || error == EBUSY ? Refusal::mount_point : Refusal::failed;
    return refuse_at(std::move(path), reason, op, error);
  }

  bool refuse(Refusal reason) { return refuse_at(walk_.path(), reason, "", 0); }

  bool refuse_at(std::string path, Refusal reason, const char* op, int error) {
    // The walk names the directory that it is in with a slash.
    if (!path.empty() && path.back() == '/') path.pop_back();
    if (report_->refused.size() < options_.max_refused) {
      report_->refused.push_back({std::move(path), reason, op, error});
    } else {
      ++report_->refused_unlisted;
    }
    return true;
  }

  bool abandon(Refusal reason) {
    refuse(reason);
    return walk_.abandon() || stop_with(walk_.error());
  }

  bool abandon_failed(const char* op, int error) {
    if (!failed(op, error)) return false;
    return walk_.abandon() || stop_with(walk_.error());
  }

  bool stop_with(Error error) {
    error_ = std::move(error);
    return false;
  }

  UpperWalk walk_;
  Cursor target_;
  std::vector<Frame> frames_;
  int target_fd_;
  const CommitOptions& options_;
  CommitReport* report_;
  Error error_;
};

}  // namespace

bool commit_changes(int upper_fd, int target_fd, const CommitOptions& options, CommitReport* report, Error* error) {
  *report = {};
  Committer committer(upper_fd, target_fd, options, report);
  if (committer.run()) return true;
  *error = committer.error();
  return false;
}

}  // namespace skillbox::overlay
