// What the program can see and write, for telling what the kernel will answer after us.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace skillbox {

class MountView {
 public:
  // list of { string path; u8 flags }, list of { string link; string target } (src/sandbox/audit-view.ts). False: malformed.
  bool decode(std::span<const uint8_t> bytes);

  // Whether opening the path would find something, or could create it. An expectation, not a promise: links inside mounts
  // and permissions are the kernel's to see.
  bool expects(std::string_view path, bool write) const;

 private:
  enum Flag : uint8_t { kWritable = 1, kHidden = 2, kItselfOnly = 4 };
  struct Place {
    std::string path;
    uint8_t flags;
  };
  struct Link {
    std::string path;
    std::string target;
  };
  std::vector<Place> places_;  // the longest paths first
  std::vector<Link> links_;
};

// Lexically: "." and empty components go, ".." takes one away.
std::string normalize(std::string_view path);

}  // namespace skillbox
