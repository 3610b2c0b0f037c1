// A position in a directory tree, moved one name at a time. A hostile tree may be tens of thousands of levels deep, more
// than PATH_MAX can say and more than RLIMIT_NOFILE can hold open: only the innermost levels keep their descriptor, and
// the way back up goes through "..", believed only if device and inode are those that were passed on the way down.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

#include "../sys/fd.h"

namespace skillbox::overlay {

// All functions return 0 or an errno.
class Cursor {
 public:
  // Takes a descriptor of its own; `root` stays the caller's.
  int open(int root);

  // Never through a symbolic link, never into another mount: ELOOP or ENOTDIR, EXDEV.
  int descend(const char* name);
  // ESTALE if the directory has been moved since. The root stays.
  int ascend();

  int fd() const { return levels_.back().fd.get(); }
  size_t depth() const { return levels_.size() - 1; }

 private:
  struct Level {
    Fd fd;
    dev_t device = 0;
    ino_t inode = 0;
  };
  static constexpr size_t kOpenLevels = 32;

  int push(Fd fd);

  std::vector<Level> levels_;
};

// A directory below `directory`, by one name.
int open_directory(int directory, const char* name, Fd* result);

// Sorted bytewise; without "." and "..".
int read_names(int directory, std::vector<std::string>* names);

}  // namespace skillbox::overlay
