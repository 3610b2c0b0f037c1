// A file that is written out of sight and takes a name's place in one step, so that a reader sees the old one or the new.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <string>

#include "../sys/fd.h"

namespace skillbox::overlay {

// All functions return 0 or an errno.
class StagedFile {
 public:
  explicit StagedFile(int directory) : directory_(directory) {}
  // Nothing stays behind of a file that was not published.
  ~StagedFile();
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  // An empty regular file with mode 0600.
  int create();
  int create_symlink(const char* text);
  // The content of `source`, holes included.
  int copy_from(int source, off_t size);
  // The file takes `name`, replacing what is no directory. A directory moves aside in the same step and is then
  // removed; if it cannot be, it moves back.
  int publish(const char* name);

  int fd() const { return file_.get(); }
  // Where it lies until then; empty for a file without a name (O_TMPFILE).
  const std::string& temporary_name() const { return temporary_; }

 private:
  int link_temporary();

  int directory_;
  Fd file_;
  std::string temporary_;
};

}  // namespace skillbox::overlay
