// What stopped a walk: the operation, the path below the root (raw bytes), and what the kernel said.
#pragma once

#include <string>

namespace skillbox::overlay {

struct Error {
  const char* op = "";
  std::string path;
  int error = 0;
};

}  // namespace skillbox::overlay
