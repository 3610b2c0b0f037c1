// Reads the memory of a task that is stopped in a notified call. The program may change it at any time: what is read is a
// record, never the ground of a decision.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace skillbox {

class TaskMemory {
 public:
  explicit TaskMemory(pid_t tid) : tid_(tid) {}

  // 0, or the errno. Shorter than asked for is EFAULT.
  int read(uint64_t address, void* to, size_t length) const;

  // A NUL-terminated string; what is longer than `limit` is cut there, and `length` goes on counting until `most`, or 132 KiB.
  int read_string(uint64_t address, size_t limit, size_t most, std::string* text, size_t* length) const;

 private:
  pid_t tid_;
};

}  // namespace skillbox
