#include "remove.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace skillbox::overlay {

namespace {

enum class Pass { look, remove };

bool is_directory(int directory, const char* name, int* error) {
  struct stat st;
  *error = ::fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
  return *error == 0 && S_ISDIR(st.st_mode);
}

int unlink(int directory, const char* name, int flags) {
  if (::unlinkat(directory, name, flags) == 0 || errno == ENOENT) return 0;
  return errno;
}

// Depth first, by names read once per directory; what somebody adds meanwhile makes the rmdir fail with ENOTEMPTY.
int sweep(int directory, const char* name, Pass pass) {
  struct Frame {
    std::string name;
    std::vector<std::string> names;
    size_t next = 0;
  };
  Cursor cursor;
  if (const int error = cursor.open(directory); error != 0) return error;
  std::vector<Frame> frames;
  std::string descend_to = name;
  for (;;) {
    if (const int error = cursor.descend(descend_to.c_str()); error != 0) return error;
    Frame entered;
    entered.name = std::move(descend_to);
    if (const int error = read_names(cursor.fd(), &entered.names); error != 0) return error;
    frames.push_back(std::move(entered));
    bool has_descent = false;
    while (!has_descent) {
      Frame& frame = frames.back();
      if (frame.next < frame.names.size()) {
        const std::string& entry = frame.names[frame.next++];
        int error = 0;
        has_descent = is_directory(cursor.fd(), entry.c_str(), &error);
        if (error != 0 && error != ENOENT) return error;
        if (has_descent) {
          descend_to = entry;
        } else if (pass == Pass::remove) {
          if (const int failed = unlink(cursor.fd(), entry.c_str(), 0); failed != 0) return failed;
        }
        continue;
      }
      if (const int error = cursor.ascend(); error != 0) return error;
      if (pass == Pass::remove) {
        if (const int error = unlink(cursor.fd(), frame.name.c_str(), AT_REMOVEDIR); error != 0) return error;
      }
      frames.pop_back();
      if (frames.empty()) return 0;
    }
  }
}

}  // namespace

int remove_tree(int directory, const char* name) {
  int error = 0;
  if (!is_directory(directory, name, &error)) {
    if (error == ENOENT) return 0;
    return error != 0 ? error : unlink(directory, name, 0);
  }
  if ((error = sweep(directory, name, Pass::look)) != 0) return error;
  return sweep(directory, name, Pass::remove);
}

}  // namespace skillbox::overlay
