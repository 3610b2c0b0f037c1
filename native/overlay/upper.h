// A walk over an overlayfs upper directory, in the terms of Documentation/filesystems/overlayfs.rst: whiteouts, opaque
// directories. The tree must be quiescent: no process of its mount namespace lives any more.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "cursor.h"
#include "error.h"

namespace skillbox::overlay {

// Where the mount kept overlayfs' own attributes. The other namespace is then the program's to write, and means nothing.
enum class Attributes { user, trusted };

class UpperWalk {
 public:
  enum class Step {
    entry,   // entry(), path(): the next name of the current directory
    leave,   // all names of the current directory have been seen
    done,    // the root was left
    failed,  // error()
  };

  UpperWalk(int upper_fd, Attributes attributes) : root_(upper_fd), attributes_(attributes) {}
  // Directories that had to be made accessible get their modes back, whichever way the walk ends.
  ~UpperWalk();
  UpperWalk(const UpperWalk&) = delete;
  UpperWalk& operator=(const UpperWalk&) = delete;

  Step next();
  // Goes into the current entry, which must be a directory; its names follow.
  bool enter();
  // Right after enter(): goes back out, without a `leave`.
  bool abandon();

  const std::string& name() const { return frames_.back().names[frames_.back().next - 1]; }
  const struct stat& status() const { return status_; }
  bool is_whiteout() const { return is_whiteout_; }
  // Relative to the root; of the entry, or at `leave` of the directory with a slash at its end ("" for the root).
  const std::string& path() const { return path_; }
  size_t depth() const { return frames_.size() - 1; }

  // Of the current directory.
  int directory() const { return cursor_.fd(); }
  const std::vector<std::string>& names() const { return frames_.back().names; }
  // No lower directory shows through here: it is opaque, or lies in one that is.
  bool hides_lower() const { return frames_.back().hides_lower; }
  const struct stat& directory_status() const { return frames_.back().status; }

  // Opens the current entry, a regular file, for reading.
  bool open_file(Fd* file);
  // The current entry came into being by copying the lower one up: it did not replace it.
  bool is_copied_up(int file) const;

  const Error& error() const { return error_; }

 private:
  struct Frame {
    std::vector<std::string> names;
    size_t next = 0;
    size_t path_length = 0;
    struct stat status = {};
    bool hides_lower = false;
    bool has_attribute_whiteouts = false;
    bool restores_mode = false;
  };

  bool fail(const char* op, int error);
  bool start();
  bool push(const struct stat& status, bool hides_lower, bool restores_mode);
  void pop();
  bool classify();
  std::string key(const char* name) const;
  std::string attribute(int file, const char* name) const;

  int root_;
  Attributes attributes_;
  Cursor cursor_;
  std::vector<Frame> frames_;
  std::string path_;
  struct stat status_ = {};
  bool is_whiteout_ = false;
  bool leaving_ = false;
  Error error_;
};

}  // namespace skillbox::overlay
