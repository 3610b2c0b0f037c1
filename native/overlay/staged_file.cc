#include "staged_file.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "remove.h"

namespace skillbox::overlay {

namespace {

constexpr int kAttempts = 16;

std::string random_name() {
  uint64_t bits = 0;
  // Uniqueness is O_EXCL's business; unpredictability only keeps others from getting in the way on purpose.
  if (::getrandom(&bits, sizeof bits, 0) != sizeof bits) bits = static_cast<uint64_t>(::getpid());
  char name[48];
  std::snprintf(name, sizeof name, ".skillbox-commit-%016llx", static_cast<unsigned long long>(bits));
  return name;
}

// `make` returns 0 or -1 with errno; tried again under another name while one is taken.
template <typename Make>
int with_fresh_name(std::string* name, Make make) {
  int error = EEXIST;
  for (int attempt = 0; attempt < kAttempts && error == EEXIST; ++attempt) {
    std::string candidate = random_name();
    error = make(candidate.c_str()) == 0 ? 0 : errno;
    if (error == 0) *name = std::move(candidate);
  }
  return error;
}

int write_all(int file, const char* data, size_t size, off_t offset) {
  while (size > 0) {
    const ssize_t count = ::pwrite(file, data, size, offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    data += count;
    size -= static_cast<size_t>(count);
    offset += count;
  }
  return 0;
}

}  // namespace

StagedFile::~StagedFile() {
  if (!temporary_.empty()) ::unlinkat(directory_, temporary_.c_str(), 0);
}

int StagedFile::create() {
  // Nothing to clean up even after SIGKILL, where the file system can do it.
  file_.reset(::openat(directory_, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file_) return 0;
  const int error = errno;
  if (error != EOPNOTSUPP && error != EISDIR && error != ENOENT && error != EINVAL) return error;
  return with_fresh_name(&temporary_, [this](const char* name) {
    file_.reset(::openat(directory_, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_CLOEXEC, 0600));
    return file_ ? 0 : -1;
  });
}

int StagedFile::create_symlink(const char* text) {
  return with_fresh_name(&temporary_, [this, text](const char* name) { return ::symlinkat(text, directory_, name); });
}

int StagedFile::copy_from(int source, off_t size) {
  constexpr size_t kBlock = 256 * 1024;
  const auto buffer = std::make_unique<char[]>(kBlock);
  if (::ftruncate(file_.get(), size) != 0) return errno;
  // A hole of a terabyte is a line of C for the program; it must stay a hole here.
  for (off_t at = 0; at < size;) {
    const off_t data = ::lseek(source, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) return 0;
    const off_t start = data < 0 ? at : data;
    const off_t hole = data < 0 ? size : ::lseek(source, start, SEEK_HOLE);
    const off_t end = hole < 0 || hole > size ? size : hole;
    for (at = start; at < end;) {
      const size_t wanted = static_cast<size_t>(end - at) < kBlock ? static_cast<size_t>(end - at) : kBlock;
      const ssize_t count = ::pread(source, buffer.get(), wanted, at);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return errno;
      if (count == 0) return EIO;
      if (const int error = write_all(file_.get(), buffer.get(), static_cast<size_t>(count), at); error != 0)
        return error;
      at += count;
    }
  }
  return 0;
}

int StagedFile::publish(const char* name) {
  if (const int error = link_temporary(); error != 0) return error;
  if (::renameat(directory_, temporary_.c_str(), directory_, name) == 0) {
    temporary_.clear();
    return 0;
  }
  if (errno != EISDIR) return errno;
  if (::renameat2(directory_, temporary_.c_str(), directory_, name, RENAME_EXCHANGE) != 0) return errno;
  const int error = remove_tree(directory_, temporary_.c_str());
  if (error == 0) {
    temporary_.clear();
    return 0;
  }
  if (::renameat2(directory_, temporary_.c_str(), directory_, name, RENAME_EXCHANGE) != 0) temporary_.clear();
  return error;
}

int StagedFile::link_temporary() {
  if (!temporary_.empty()) return 0;
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", file_.get());
  return with_fresh_name(&temporary_, [this, &path](const char* name) {
    return ::linkat(AT_FDCWD, path, directory_, name, AT_SYMLINK_FOLLOW);
  });
}

}  // namespace skillbox::overlay
