// What a run changed below one overlay mount: the upper directory against the lower one.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "error.h"
#include "upper.h"

namespace skillbox::overlay {

enum class FileType { none, file, directory, symlink, fifo, socket, device };

enum class ChangeKind {
  created,
  modified,  // other content or another type
  deleted,   // one entry for a whole directory
  mode,      // the permission bits alone
};

struct Change {
  // Relative to the root, raw bytes: may hold newlines and invalid UTF-8.
  std::string path;
  ChangeKind kind = ChangeKind::created;
  // For a deleted path: what was there.
  FileType type = FileType::none;
  // What the lower layer has at this path, `none` if it was created.
  FileType lower_type = FileType::none;
  // Of regular files (bytes) and symbolic links (length of the target).
  uint64_t size = 0;
  // Permission, set-id and sticky bits.
  mode_t mode = 0;
};

struct ListOptions {
  Attributes attributes = Attributes::user;
  // Whichever is reached first ends the list, and sets `truncated`.
  size_t max_entries = 100'000;
  size_t max_path_bytes = 32u << 20;
};

struct Changes {
  // Sorted bytewise by path.
  std::vector<Change> entries;
  bool truncated = false;
  // Directory entries whose path is PATH_MAX bytes or longer: no program can name them in one call, and one such chain
  // would fill the list with megabytes of path. They are not looked into.
  uint64_t too_deep = 0;
};

// Both roots are directory descriptors open for reading. Owners, times and extended attributes are not compared. A
// submount in the lower tree counts as an empty directory, which is how overlayfs shows it. False: `error` says where.
bool list_changes(int upper_fd, int lower_fd, const ListOptions& options, Changes* changes, Error* error);

FileType file_type(mode_t mode);

// Whether two regular files of this size hold the same bytes; 0 or an errno.
int compare_content(int left, int right, off_t size, bool* is_equal);

// The text of a symbolic link, whole; 0 or an errno.
int read_link(int directory, const char* name, std::string* text);

}  // namespace skillbox::overlay
