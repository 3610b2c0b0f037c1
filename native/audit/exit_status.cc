#include "exit_status.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "../sys/fd.h"
#include "json.h"

namespace skillbox {

namespace {

// struct pidfd_info of linux/pidfd.h in its first size.
struct PidfdInfo {
  uint64_t mask;
  uint64_t cgroup;
  uint32_t ids[11];
  int32_t exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);

constexpr uint64_t kInfoExit = 1 << 3;  // PIDFD_INFO_EXIT, Linux 6.15
constexpr unsigned long kGetInfo = _IOWR(0xff, 11, PidfdInfo);

// The kernel keeps it in the pidfd from when the process is reaped.
std::optional<int> status_of_reaped(int pidfd) {
  PidfdInfo info = {};
  info.mask = kInfoExit;
  if (ioctl(pidfd, kGetInfo, &info) != 0 || (info.mask & kInfoExit) == 0) return {};
  return info.exit_code;
}

// exit_code is the last field of /proc/PID/stat, and 0 for who may not look (proc(5)). Who may finds that a zombie has no
// executable any more.
std::optional<int> status_of_zombie(int pidfd, pid_t process) {
  char path[48];
  char text[1024];
  snprintf(path, sizeof path, "/proc/%d/exe", process);
  if (readlink(path, text, sizeof text) >= 0 || errno != ENOENT) return {};
  snprintf(path, sizeof path, "/proc/%d/stat", process);
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  const ssize_t length = read(file.get(), text, sizeof text - 1);
  if (length <= 0) return {};
  text[length] = '\0';
  const char* last = strrchr(text, ' ');
  int status;
  if (last == nullptr || sscanf(last, "%d", &status) != 1) return {};
  // Only now is it sure that the number was this process's.
  if (syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0) != 0) return {};
  return status;
}

}  // namespace

std::optional<int> exit_status(int pidfd, pid_t process) {
  if (const auto status = status_of_reaped(pidfd)) return status;
  if (const auto status = status_of_zombie(pidfd, process)) return status;
  return status_of_reaped(pidfd);  // it may have happened meanwhile
}

void append_exit_status(std::string& out, int status) {
  if (WIFEXITED(status)) {
    append_key(out, "exitCode");
    append_number(out, static_cast<uint64_t>(WEXITSTATUS(status)));
    return;
  }
  const int number = WTERMSIG(status);
  const char* name = sigabbrev_np(number);
  append_key(out, "signal");
  // As in the tables, the kernel's own SIGRTMIN, which is 32: the C library takes the first two for itself.
  append_json_string(out, name != nullptr ? std::string("SIG") + name : "SIGRTMIN+" + std::to_string(number - 32));
}

}  // namespace skillbox
