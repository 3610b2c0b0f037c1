#include "changes.h"

#include <fcntl.h>
#include <limits.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace skillbox::overlay {

FileType file_type(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileType::file;
    case S_IFDIR:
      return FileType::directory;
    case S_IFLNK:
      return FileType::symlink;
    case S_IFIFO:
      return FileType::fifo;
    case S_IFSOCK:
      return FileType::socket;
    default:
      return FileType::device;
  }
}

namespace {

// The first byte at or after `at` that may be other than zero; `size` if there is none.
off_t next_data(int file, off_t at, off_t size) {
  const off_t data = ::lseek(file, at, SEEK_DATA);
  if (data >= 0) return std::min(data, size);
  // A file system that keeps no holes says EINVAL, and has data everywhere.
  return errno == ENXIO ? size : at;
}

// `size` bytes, zeros where the file has become shorter; 0 or an errno.
int read_block(int file, char* buffer, size_t size, off_t at) {
  size_t length = 0;
  while (length < size) {
    const ssize_t count = ::pread(file, buffer + length, size - length, at + static_cast<off_t>(length));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    if (count == 0) break;
    length += static_cast<size_t>(count);
  }
  std::memset(buffer + length, 0, size - length);
  return 0;
}

class Lister {
 public:
  Lister(int upper_fd, int lower_fd, const ListOptions& options, Changes* changes)
      : walk_(upper_fd, options.attributes), lower_fd_(lower_fd), options_(options), changes_(changes) {}

  bool run() {
    if (const int error = lower_.open(lower_fd_); error != 0) return fail("open lower", error);
    for (;;) {
      switch (walk_.next()) {
        case UpperWalk::Step::failed:
          error_ = walk_.error();
          return false;
        case UpperWalk::Step::done:
          return true;
        case UpperWalk::Step::leave:
          if (walk_.depth() > 0 && has_lower() && !leave_lower()) return false;
          break;
        case UpperWalk::Step::entry:
          if (!visit()) return false;
          break;
      }
      if (changes_->truncated) return true;
    }
  }

  const Error& error() const { return error_; }

 private:
  // The lower cursor stays where the two trees part.
  bool has_lower() const { return lower_.depth() == walk_.depth(); }

  bool leave_lower() {
    const int error = lower_.ascend();
    return error == 0 || fail("open lower ..", error);
  }

  bool visit() {
    if (walk_.path().size() >= PATH_MAX) {
      ++changes_->too_deep;
      return true;
    }
    struct stat lower = {};
    bool exists = false;
    if (has_lower()) {
      exists = ::fstatat(lower_.fd(), walk_.name().c_str(), &lower, AT_SYMLINK_NOFOLLOW) == 0;
      const int error = exists ? 0 : errno;
      if (!exists && error != ENOENT) return fail("lstat lower", error);
    }
    if (walk_.is_whiteout()) {
      // Over nothing it stands for a file that the host has deleted in the meantime.
      if (exists) add(walk_.path(), ChangeKind::deleted, lower, lower.st_mode);
      return true;
    }
    const struct stat upper = walk_.status();
    if (!exists) {
      add(walk_.path(), ChangeKind::created, upper, 0);
    } else if (file_type(upper.st_mode) != file_type(lower.st_mode)) {
      add(walk_.path(), ChangeKind::modified, upper, lower.st_mode);
    } else {
      bool is_equal = true;
      if (!compare(upper, lower, &is_equal)) return false;
      if (!is_equal) {
        add(walk_.path(), ChangeKind::modified, upper, lower.st_mode);
      } else if (!S_ISLNK(upper.st_mode) && ((upper.st_mode ^ lower.st_mode) & 07777) != 0) {
        add(walk_.path(), ChangeKind::mode, upper, lower.st_mode);
      }
    }
    return !S_ISDIR(upper.st_mode) || descend(exists && S_ISDIR(lower.st_mode));
  }

  bool descend(bool lower_is_directory) {
    const std::string name = walk_.name();
    if (!walk_.enter()) {
      error_ = walk_.error();
      return false;
    }
    if (!lower_is_directory) return true;
    const int error = lower_.descend(name.c_str());
    if (error == EXDEV) return true;
    if (error != 0) return fail("open lower", error);
    return !walk_.hides_lower() || list_hidden();
  }

  // What the lower directory has and an opaque upper one has not is gone.
  bool list_hidden() {
    std::vector<std::string> names;
    if (const int error = read_names(lower_.fd(), &names); error != 0) return fail("readdir lower", error);
    for (const std::string& name : names) {
      if (std::binary_search(walk_.names().begin(), walk_.names().end(), name)) continue;
      struct stat lower;
      if (::fstatat(lower_.fd(), name.c_str(), &lower, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno == ENOENT) continue;
        return fail("lstat lower", errno);
      }
      add(walk_.path() + name, ChangeKind::deleted, lower, lower.st_mode);
      if (changes_->truncated) break;
    }
    return true;
  }

  bool compare(const struct stat& upper, const struct stat& lower, bool* is_equal) {
    if (S_ISLNK(upper.st_mode)) {
      std::string left, right;
      int error = read_link(walk_.directory(), walk_.name().c_str(), &left);
      if (error == 0) error = read_link(lower_.fd(), walk_.name().c_str(), &right);
      *is_equal = left == right;
      return error == 0 || fail("readlink", error);
    }
    if (!S_ISREG(upper.st_mode)) return true;
    *is_equal = upper.st_size == lower.st_size;
    if (!*is_equal || upper.st_size == 0) return true;
    Fd left;
    if (!walk_.open_file(&left)) {
      error_ = walk_.error();
      return false;
    }
    Fd right(::openat(lower_.fd(), walk_.name().c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!right) {
      // The host's file cannot be read by this caller: assume the worse.
      *is_equal = false;
      return true;
    }
    const int error = compare_content(left.get(), right.get(), upper.st_size, is_equal);
    return error == 0 || fail("read", error);
  }

  void add(std::string path, ChangeKind kind, const struct stat& st, mode_t lower_mode) {
    path_bytes_ += path.size();
    if (changes_->entries.size() >= options_.max_entries || path_bytes_ > options_.max_path_bytes) {
      changes_->truncated = true;
      return;
    }
    const bool has_size = S_ISREG(st.st_mode) || S_ISLNK(st.st_mode);
    changes_->entries.push_back({std::move(path), kind, file_type(st.st_mode),
                                 lower_mode == 0 ? FileType::none : file_type(lower_mode),
                                 has_size ? static_cast<uint64_t>(st.st_size) : 0, st.st_mode & 07777});
  }

  bool fail(const char* op, int error) {
    error_ = {op, walk_.path(), error};
    return false;
  }

  UpperWalk walk_;
  Cursor lower_;
  int lower_fd_;
  const ListOptions& options_;
  Changes* changes_;
  size_t path_bytes_ = 0;
  Error error_;
};

}  // namespace

bool list_changes(int upper_fd, int lower_fd, const ListOptions& options, Changes* changes, Error* error) {
  *changes = {};
  Lister lister(upper_fd, lower_fd, options, changes);
  const bool ok = lister.run();
  if (!ok) *error = lister.error();
  // The walk goes by component; by whole path "a-b" comes before "a/b".
  std::sort(changes->entries.begin(), changes->entries.end(),
            [](const Change& a, const Change& b) { return a.path < b.path; });
  return ok;
}

int compare_content(int left, int right, off_t size, bool* is_equal) {
  constexpr off_t kBlock = 128 * 1024;
  const auto buffers = std::make_unique<char[]>(2 * kBlock);
  *is_equal = true;
  for (off_t at = 0; at < size;) {
    // Both may be a terabyte of nothing.
    at = std::min(next_data(left, at, size), next_data(right, at, size));
    const auto length = static_cast<size_t>(std::min(kBlock, size - at));
    int error = read_block(left, buffers.get(), length, at);
    if (error == 0) error = read_block(right, buffers.get() + kBlock, length, at);
    if (error != 0) return error;
    *is_equal = std::memcmp(buffers.get(), buffers.get() + kBlock, length) == 0;
    if (!*is_equal) return 0;
    at += static_cast<off_t>(length);
  }
  return 0;
}

int read_link(int directory, const char* name, std::string* text) {
  // The kernel keeps no longer one than PATH_MAX - 1.
  text->resize(PATH_MAX);
  const ssize_t length = ::readlinkat(directory, name, text->data(), text->size());
  if (length < 0) return errno;
  text->resize(static_cast<size_t>(length));
  return 0;
}

}  // namespace skillbox::overlay
