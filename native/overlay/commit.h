// Applies what a run left in an overlay's upper directory to the directory of the host that it covered.
//
// The content is an attacker's and the host's directory is alive: every step is made by descriptor and one name, no
// link is followed, no other mount entered, and each path changes in one step from its old state to its new one.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "error.h"
#include "upper.h"

namespace skillbox::overlay {

// Why a path was left as it was.
enum class Refusal {
  special_file,    // FIFO, socket, device
  symlink_target,  // absolute, leaves the tree, or not provably inside
  target_symlink,  // the host has a symbolic link where a directory is needed
  target_changed,  // the host has another type of file there than the run saw
  mount_point,     // the host has something mounted there or below
  too_deep,        // the path is PATH_MAX bytes or longer
  failed,          // the kernel said no: `error`
};

struct Refused {
  std::string path;
  Refusal reason = Refusal::failed;
  // Symbolic operation and errno of `failed` and `mount_point`.
  const char* op = "";
  int error = 0;
};

struct CommitOptions {
  Attributes attributes = Attributes::user;
  // Owner of what is created; -1 leaves the caller's. A replaced file keeps its owner where the caller may give it.
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);
  // New files lose set-id and sticky bits; a directory keeps those that the host had given it already.
  bool strip_special_bits = true;
  // fsync files before they are renamed, and directories after.
  bool sync = false;
  size_t max_refused = 10'000;
};

struct CommitReport {
  uint64_t written = 0;      // files and links, created or replaced
  uint64_t directories = 0;  // created
  uint64_t deleted = 0;      // a whole directory counts once
  uint64_t modes = 0;        // permission bits alone
  uint64_t bytes = 0;
  std::vector<Refused> refused;
  // Beyond max_refused.
  uint64_t refused_unlisted = 0;
};

// True when the whole upper directory was gone through; read `refused` too. False when it had to stop (the upper tree
// cannot be read, the host's disk is full or fails): what was applied until then stays and is counted in the report.
bool commit_changes(int upper_fd, int target_fd, const CommitOptions& options, CommitReport* report, Error* error);

}  // namespace skillbox::overlay
