// An error as a value: where (stage), what was tried (op), and what the kernel said (errno).
#pragma once

#include <cerrno>
#include <cstring>

namespace skillbox {

struct Status {
  // Both point to string literals or into the plan: nothing is allocated on the way to an exec.
  const char* stage = nullptr;
  const char* op = nullptr;
  // The path or name that the operation was about; may be empty.
  const char* subject = "";
  int error = 0;

  bool ok() const { return error == 0; }
};

inline Status success() { return {}; }

// Reads errno: call it right after the system call that failed.
inline Status failure(const char* stage, const char* op, const char* subject = "") {
  const int error = errno;
  return {stage, op, subject, error == 0 ? EIO : error};
}

inline Status failure_with(int error, const char* stage, const char* op, const char* subject = "") {
  return {stage, op, subject, error};
}

}  // namespace skillbox

#define SKILLBOX_TRY(expression)                         \
  do {                                                   \
    const ::skillbox::Status try_status_ = (expression); \
    if (!try_status_.ok()) return try_status_;           \
  } while (0)
