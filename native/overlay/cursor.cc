#include "cursor.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../sys/syscalls.h"

namespace skillbox::overlay {

int open_directory(int directory, const char* name, Fd* result) {
  constexpr uint64_t kResolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  for (;;) {
    Fd fd(sys::openat2(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, kResolve));
    const int error = fd ? 0 : errno;
    // openat2(2): a rename elsewhere on the system makes a scoped lookup give up; it asks to be tried again.
    if (error == EAGAIN || error == EINTR) continue;
    if (error == 0) *result = std::move(fd);
    return error;
  }
}

int Cursor::open(int root) {
  levels_.clear();
  // "." and not dup(2): a shared file offset would make two readers of the directory disturb each other.
  Fd fd(::openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno;
  return push(std::move(fd));
}

int Cursor::descend(const char* name) {
  Fd fd;
  if (const int error = open_directory(this->fd(), name, &fd); error != 0) return error;
  return push(std::move(fd));
}

int Cursor::push(Fd fd) {
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) return errno;
  levels_.push_back({std::move(fd), st.st_dev, st.st_ino});
  if (levels_.size() > kOpenLevels) {
    // The root's own descriptor is never given up.
    const size_t distant = levels_.size() - kOpenLevels;
    if (distant > 0) levels_[distant].fd.reset();
  }
  return 0;
}

int Cursor::ascend() {
  if (depth() == 0) return EINVAL;
  Level& parent = levels_[levels_.size() - 2];
  if (!parent.fd) {
    Fd fd(::openat(this->fd(), "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return errno;
    struct stat st;
    if (::fstat(fd.get(), &st) != 0) return errno;
    if (st.st_dev != parent.device || st.st_ino != parent.inode) return ESTALE;
    parent.fd = std::move(fd);
  }
  levels_.pop_back();
  return 0;
}

int read_names(int directory, std::vector<std::string>* names) {
  names->clear();
  Fd fd(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return errno;
  DIR* stream = ::fdopendir(fd.get());
  if (stream == nullptr) return errno;
  fd.release();
  int error = 0;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream);
    error = errno;
    if (entry == nullptr) break;
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) {
      names->emplace_back(entry->d_name);
    }
  }
  ::closedir(stream);
  // std::string compares as unsigned bytes, so the order is the same everywhere.
  std::sort(names->begin(), names->end());
  return error;
}

}  // namespace skillbox::overlay
