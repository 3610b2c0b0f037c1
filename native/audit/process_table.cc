#include "process_table.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "exit_status.h"

namespace skillbox {

namespace {

constexpr size_t kMaxThreads = 65536;

struct TaskStatus {
  bool ok = false;
  pid_t tgid = 0;
  pid_t ppid = 0;
  uint32_t inside_tgid = 0;
  uint32_t inside_tid = 0;
  std::string name;
};

// The last number of a line such as "NSpid:\t4242\t17": the innermost namespace's.
uint32_t last_number(const char* line) {
  uint32_t value = 0;
  while (*line != '\0' && *line != '\n') {
    char* end;
    const unsigned long number = strtoul(line, &end, 10);
    if (end == line) break;
    value = static_cast<uint32_t>(number);
    line = end;
  }
  return value;
}

// /proc/PID/status escapes "\n" and "\\" in the name, and nothing else (proc(5)).
std::string unescape_name(const char* line) {
  std::string name;
  for (; *line != '\0' && *line != '\n'; line++) {
    if (*line == '\\' && line[1] == 'n') {
      name += '\n';
      line++;
    } else if (*line == '\\' && line[1] == '\\') {
      name += '\\';
      line++;
    } else {
      name += *line;
    }
  }
  return name;
}

TaskStatus read_status(pid_t tid) {
  char path[48];
  snprintf(path, sizeof path, "/proc/%d/status", tid);
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  char text[4096];
  const ssize_t length = read(file.get(), text, sizeof text - 1);
  if (length <= 0) return {};
  text[length] = '\0';

  TaskStatus status;
  status.ok = true;
  for (const char* line = text; line != nullptr && *line != '\0';) {
    if (strncmp(line, "Name:\t", 6) == 0) status.name = unescape_name(line + 6);
    if (strncmp(line, "Tgid:\t", 6) == 0) status.tgid = static_cast<pid_t>(last_number(line + 6));
    if (strncmp(line, "PPid:\t", 6) == 0) status.ppid = static_cast<pid_t>(last_number(line + 6));
    if (strncmp(line, "NStgid:\t", 8) == 0) status.inside_tgid = last_number(line + 8);
    if (strncmp(line, "NSpid:\t", 7) == 0) {
      status.inside_tid = last_number(line + 7);
      break;  // the rest is about memory
    }
    line = strchr(line, '\n');
    if (line != nullptr) line++;
  }
  return status;
}

std::string read_exe(pid_t process) {
  char path[48];
  snprintf(path, sizeof path, "/proc/%d/exe", process);
  char target[4096];
  const ssize_t length = readlink(path, target, sizeof target);
  return length <= 0 ? std::string() : std::string(target, static_cast<size_t>(length));
}

}  // namespace

TaskInfo ProcessTable::find(pid_t tid) {
  // A thread's number may have come to another process; then tgkill(2) does not find it in the one that we remember.
  if (const auto thread = threads_.find(tid); thread != threads_.end()) {
    const bool same =
        thread->first == thread->second.process || syscall(SYS_tgkill, thread->second.process, tid, 0) == 0;
    const auto entry = processes_.find(thread->second.process);
    if (same && entry != processes_.end() && !entry->second.stale) return {&entry->second.info, thread->second.tid};
  }
  TaskStatus status = read_status(tid);
  if (!status.ok) return {};
  auto entry = processes_.find(status.tgid);
  if (entry == processes_.end()) {
    Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, status.tgid, 0)));
    if (!pidfd || !watch_exit_(pidfd.get(), status.tgid)) {
      unkept_ = {status.tgid, status.inside_tgid, inside_pid(status.ppid), std::move(status.name),
                 read_exe(status.tgid)};
      return {&unkept_, status.inside_tid};
    }
    entry = processes_.emplace(status.tgid, Entry{{}, std::move(pidfd), true}).first;
    entry->second.info.ppid = inside_pid(status.ppid);
  }
  // A program that starts threads without end must not fill our memory; what is forgotten is read again.
  if (threads_.size() >= kMaxThreads) threads_.clear();
  threads_[tid] = {status.tgid, status.inside_tid};
  ProcessInfo& info = entry->second.info;
  if (entry->second.stale) {
    info.process = status.tgid;
    info.pid = status.inside_tgid;
    info.comm = std::move(status.name);
    info.exe = read_exe(status.tgid);
    entry->second.stale = false;
  }
  return {&info, status.inside_tid};
}

void ProcessTable::expect_exec(pid_t tid, const std::string& path) {
  const auto thread = threads_.find(tid);
  if (thread == threads_.end()) return;
  const auto entry = processes_.find(thread->second.process);
  if (entry == processes_.end()) return;
  entry->second.stale = true;
  if (path.empty()) return;
  entry->second.info.exe = path;
  entry->second.info.comm = path.substr(path.rfind('/') + 1).substr(0, 15);  // TASK_COMM_LEN
}

const ProcessInfo* ProcessTable::peek(pid_t process) const {
  const auto entry = processes_.find(process);
  return entry == processes_.end() ? nullptr : &entry->second.info;
}

Fd ProcessTable::take_fd(pid_t process, int fd) const {
  const auto entry = processes_.find(process);
  if (entry != processes_.end())
    return Fd(static_cast<int>(syscall(SYS_pidfd_getfd, entry->second.pidfd.get(), fd, 0)));
  const Fd pidfd(static_cast<int>(syscall(SYS_pidfd_open, process, 0)));
  return pidfd ? Fd(static_cast<int>(syscall(SYS_pidfd_getfd, pidfd.get(), fd, 0))) : Fd();
}

std::optional<int> ProcessTable::exit_status_of(pid_t process) const {
  const auto entry = processes_.find(process);
  return entry == processes_.end() ? std::nullopt : exit_status(entry->second.pidfd.get(), process);
}

void ProcessTable::erase(pid_t process) {
  processes_.erase(process);
  std::erase_if(threads_, [process](const auto& thread) { return thread.second.process == process; });
}

uint32_t ProcessTable::inside_pid(pid_t pid) {
  if (const ProcessInfo* known = peek(pid)) return known->pid;
  return read_status(pid).inside_tgid;
}

}  // namespace skillbox
