// The supervisor names a path, the programs decide what lies there: it is opened with their rights and from their root, so
// that a link leads nowhere that they cannot go. /proc is left out: as PID 1 we would open our own memory for them.
#include "files.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cstring>

#include "../sys/fd.h"
#include "../sys/syscalls.h"
#include "report.h"

namespace skillbox {

namespace {

// 0 or an errno.
int refuse_unless_plain(int fd) {
  struct stat found;
  struct statfs system;
  if (fstat(fd, &found) != 0 || fstatfs(fd, &system) != 0) return errno;
  if (S_ISDIR(found.st_mode)) return EISDIR;
  if (!S_ISREG(found.st_mode) || system.f_type == PROC_SUPER_MAGIC) return EINVAL;
  return 0;
}

int open_plain(const char* path, bool to_write, Fd* file) {
  // A FIFO must not make us wait. Nothing is cut off before it is known to be a file.
  const int flags = (to_write ? O_WRONLY | O_CREAT : O_RDONLY) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  file->reset(sys::openat2(AT_FDCWD, path, static_cast<uint64_t>(flags), RESOLVE_NO_MAGICLINKS, to_write ? 0644 : 0));
  if (!*file) return errno;
  if (const int error = refuse_unless_plain(file->get()); error != 0) return error;
  if (to_write && ftruncate(file->get(), 0) != 0) return errno;
  return 0;
}

}  // namespace

bool answer_open(int control, uint32_t request, bool to_write, std::string_view path) {
  char text[PATH_MAX];
  Fd file;
  int error = ENAMETOOLONG;
  if (path.size() < sizeof text) {
    memcpy(text, path.data(), path.size());
    text[path.size()] = '\0';
    error = path.empty() || path.front() != '/' || path.find('\0') != path.npos ? EINVAL
                                                                                : open_plain(text, to_write, &file);
  }
  ReportWriter report(Report::opened);
  report.u32(request);
  report.u32(static_cast<uint32_t>(error));
  const int fds[] = {file.get()};
  return report.send(control, error == 0 ? std::span<const int>(fds) : std::span<const int>());
}

}  // namespace skillbox
