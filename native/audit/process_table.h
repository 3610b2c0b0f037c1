// Who made a call: pids as the program sees them, the name and the executable.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>

#include "../sys/fd.h"

namespace skillbox {

struct ProcessInfo {
  pid_t process = 0;  // thread group, in our namespace
  uint32_t pid = 0;   // inside
  uint32_t ppid = 0;
  std::string comm;
  std::string exe;  // as in /proc/PID/exe; empty when it cannot be read
};

struct TaskInfo {
  const ProcessInfo* process = nullptr;
  uint32_t tid = 0;  // inside
};

// Reading /proc costs more than the rest of an event together, so what was read is kept until its process ends or execs.
class ProcessTable {
 public:
  // `watch_exit` is given a pidfd that becomes readable when the process has ended; false: it cannot be watched, and the
  // entry is not kept.
  explicit ProcessTable(std::function<bool(int pidfd, pid_t process)> watch_exit)
      : watch_exit_(std::move(watch_exit)) {}

  // `tid` in our pid namespace, of a task that is stopped in a notified call. Process is null when it is gone.
  TaskInfo find(pid_t tid);

  // The task is about to exec `path`: what it is called then is read when it makes its next call, and assumed until then.
  void expect_exec(pid_t tid, const std::string& path);

  // A duplicate of a descriptor of the process (pidfd_getfd(2)); none where the kernel does not allow it.
  Fd take_fd(pid_t process, int fd) const;

  const ProcessInfo* peek(pid_t process) const;

  // Of a process that has ended; as exit_status.h has it.
  std::optional<int> exit_status_of(pid_t process) const;
  void erase(pid_t process);

  bool empty() const { return processes_.empty(); }

  // No other task has made a call yet.
  bool has_one_task() const { return threads_.size() == 1; }

 private:
  struct Entry {
    ProcessInfo info;
    Fd pidfd;
    bool stale = false;
  };
  struct Thread {
    pid_t process;
    uint32_t tid;
  };

  uint32_t inside_pid(pid_t pid);

  std::function<bool(int, pid_t)> watch_exit_;
  std::unordered_map<pid_t, Entry> processes_;
  std::unordered_map<pid_t, Thread> threads_;
  ProcessInfo unkept_;
};

}  // namespace skillbox
