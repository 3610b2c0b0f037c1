#include "reaper.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "../sys/fd_passing.h"
#include "files.h"
#include "net_ns.h"
#include "process.h"
#include "report.h"
#include "terminal.h"

namespace skillbox {

namespace {

constexpr size_t kMaxProcesses = 256;
constexpr uint64_t kCpuSampleUs = 50'000;

uint64_t now_us() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

uint64_t to_us(const timeval& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_usec);
}

rusage reaped_usage() {
  rusage usage = {};
  getrusage(RUSAGE_CHILDREN, &usage);
  return usage;
}

struct Running {
  uint32_t id;
  pid_t pid;
  bool oneshot;
  uint64_t started_us;
  uint64_t deadline_us;   // 0: none
  uint64_t cpu_limit_us;  // 0: none
  rusage usage_before;
  ExitReason reason;
};

class Reaper {
 public:
  Reaper(const LaunchPlan& plan, int control, int signals, int null)
      : plan_(plan), control_(control), signals_(signals), null_(null) {}

  int run() {
    for (;;) {
      pollfd fds[] = {{control_, POLLIN, 0}, {signals_, POLLIN, 0}};
      if (poll(fds, 2, timeout_ms()) < 0) {
        if (errno == EINTR) continue;
        report_error(control_, failure("reaper", "poll"));
        return 1;
      }
      if (fds[0].revents != 0 && !take_request()) return 0;
      if ((fds[1].revents & POLLIN) != 0) {
        signalfd_siginfo info;  // emptied only to make poll(2) wait again; waitid tells who
        while (read(signals_, &info, sizeof info) > 0) {
        }
      }
      reap();
      watch_clocks();
      if (done_) return 0;
    }
  }

 private:
  bool take_request();
  void start(std::span<int> fds);
  void forward_signal(uint32_t id, int signal_number, bool group);
  void reap();
  void tell(bool sent);
  void ended(Running& running, const siginfo_t& info, const rusage& own);
  void watch_clocks();
  int timeout_ms() const;

  const LaunchPlan& plan_;
  int control_;
  int signals_;
  int null_;  // /dev/null
  bool done_ = false;
  size_t running_count_ = 0;
  Running running_[kMaxProcesses];
};

uint32_t word(const uint8_t* bytes, size_t index) {
  uint32_t value;
  memcpy(&value, bytes + index * 4, sizeof value);
  return value;
}

// False when the supervisor is gone.
bool Reaper::take_request() {
  uint8_t bytes[PATH_MAX + 64];
  int fds[4] = {-1, -1, -1, -1};
  const ReceivedMessage message = receive_message(control_, bytes, fds);
  if (message.length < 0) report_error(control_, failure("reaper", "receive"));
  if (message.length <= 0) return false;
  if (message.length >= 4 && word(bytes, 0) == static_cast<uint32_t>(Request::exec)) {
    // The kernel leaves out those that we have no numbers for.
    if (message.fd_count != 1 && message.fd_count != 4) {
      report_error(control_, failure_with(EMFILE, "reaper", "receive descriptors"));
      return false;
    }
    start(fds);
  } else if (message.length >= 16 && word(bytes, 0) == static_cast<uint32_t>(Request::signal)) {
    forward_signal(word(bytes, 1), static_cast<int>(word(bytes, 2)), word(bytes, 3) != 0);
  } else if (message.length >= 16 && word(bytes, 0) == static_cast<uint32_t>(Request::sockets)) {
    const Status sent =
        send_sockets(control_, static_cast<int>(word(bytes, 1)), static_cast<int>(word(bytes, 2)), word(bytes, 3));
    if (!sent.ok()) report_error(control_, sent);
  } else if (message.length >= 12 && word(bytes, 0) == static_cast<uint32_t>(Request::open)) {
    const auto* path = reinterpret_cast<const char*>(bytes) + 12;
    tell(answer_open(control_, word(bytes, 1), word(bytes, 2) != 0, {path, static_cast<size_t>(message.length) - 12}));
  } else {
    report_error(control_, failure_with(EBADMSG, "reaper", "unknown request"));
    return false;
  }
  for (size_t i = 0; i < message.fd_count; i++) close(fds[i]);
  return true;
}

Status place_stdio(std::span<const int> fds) {
  for (int i = 0; i < 3; i++) {
    if (dup2(fds[static_cast<size_t>(i)], i) < 0) return failure("process", "dup2");
  }
  return success();
}

// The program's descriptors must not live on in PID 1: a reader would wait for its end of file in vain.
Status park_stdio(int null) {
  const int nothing[] = {null, null, null};
  return place_stdio(nothing);
}

// The process plan, mapped; argv and environment point into it until the exec.
class MappedProcessPlan {
 public:
  Status open(int memfd) {
    struct stat found;
    if (fstat(memfd, &found) != 0) return failure("process", "fstat", "plan");
    size_ = static_cast<size_t>(found.st_size);
    bytes_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, memfd, 0);
    if (bytes_ == MAP_FAILED) return failure("process", "mmap", "plan");
    const size_t count = size_ / 5 + 2;
    pointers_size_ = count * sizeof(char*);
    pointers_ = mmap(nullptr, pointers_size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pointers_ == MAP_FAILED) return failure("process", "mmap", "pointers");
    return decode_process_plan({static_cast<const uint8_t*>(bytes_), size_}, {static_cast<char**>(pointers_), count},
                               &plan);
  }
  ~MappedProcessPlan() {
    if (bytes_ != MAP_FAILED) munmap(bytes_, size_);
    if (pointers_ != MAP_FAILED) munmap(pointers_, pointers_size_);
  }

  ProcessPlan plan = {};

 private:
  void* bytes_ = MAP_FAILED;
  size_t size_ = 0;
  void* pointers_ = MAP_FAILED;
  size_t pointers_size_ = 0;
};

void Reaper::start(std::span<int> fds) {
  MappedProcessPlan mapped;
  Status status = mapped.open(fds[0]);
  if (!status.ok()) {
    // Whose program it is stands in the plan: there is nobody to be told by a number.
    report_error(control_, status);
    done_ = true;
    return;
  }
  const ProcessPlan& process = mapped.plan;
  if (running_count_ == kMaxProcesses) status = failure_with(EAGAIN, "process", "count");
  Fd terminal;
  if (status.ok() && process.terminal) status = open_terminal(process, control_, &terminal);
  if (status.ok() && !process.terminal && fds[3] < 0) status = failure_with(EBADMSG, "process", "stdio");
  StartedProcess started;
  Running running = {};
  if (status.ok()) {
    running.id = process.id;
    running.oneshot = process.oneshot;
    running.usage_before = reaped_usage();
    running.started_us = now_us();
    running.deadline_us = process.wall_time_ms == 0 ? 0 : running.started_us + process.wall_time_ms * 1000;
    running.cpu_limit_us = process.cpu_time_ms * 1000;
    if (process.terminal) {
      const int ends[] = {terminal.get(), terminal.get(), terminal.get()};
      status = place_stdio(ends);
    } else {
      status = place_stdio(fds.subspan(1));
    }
    if (status.ok()) status = start_process(plan_, process, control_, &started);
    if (const Status parked = park_stdio(null_); !parked.ok()) {
      report_error(control_, parked);
      done_ = true;
    }
  }
  if (status.ok()) status = started.failed;
  if (!status.ok()) {
    tell(report_exec_failed(control_, process.id, status));
    if (process.oneshot) done_ = true;
    return;
  }
  running.pid = started.pid;
  running_[running_count_++] = running;
}

void Reaper::forward_signal(uint32_t id, int signal_number, bool group) {
  for (size_t i = 0; i < running_count_; i++) {
    // The leader called setsid, so its group has its pid. ESRCH: it has just ended, and its report is on the way.
    if (running_[i].id == id) (void)kill(group ? -running_[i].pid : running_[i].pid, signal_number);
  }
}

void Reaper::reap() {
  for (;;) {
    siginfo_t info = {};
    rusage usage = {};
    // The C library's waitid leaves out the kernel's last argument: what the process and those it waited for have used.
    const long result = syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG, &usage);
    if (result != 0 && errno == EINTR) continue;
    if (result != 0 || info.si_pid == 0) return;
    for (size_t i = 0; i < running_count_; i++) {
      if (running_[i].pid != info.si_pid) continue;
      ended(running_[i], info, usage);
      running_[i] = running_[--running_count_];
      break;
    }
  }
}

// Who waits for what could not be sent is told by our end.
void Reaper::tell(bool sent) {
  if (!sent) done_ = true;
}

// Whatever the program left behind goes with it: the overlay must be still when its changes are listed, and the account
// is complete only when everybody was waited for.
void kill_everything() {
  for (;;) {
    (void)kill(-1, SIGKILL);
    if (waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) return;
  }
}

void Reaper::ended(Running& running, const siginfo_t& info, const rusage& own) {
  const uint64_t ended_us = now_us();
  rusage usage = own;
  if (running.oneshot) {
    kill_everything();
    done_ = true;
    usage = reaped_usage();
  }
  const ExitReport report = {
      .process = running.id,
      .code = static_cast<uint32_t>(info.si_code),
      .status = static_cast<uint32_t>(info.si_status),
      .reason = running.reason,
      .wall_us = ended_us - running.started_us,
      .user_us = to_us(usage.ru_utime),
      .system_us = to_us(usage.ru_stime),
      .max_rss_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024,
  };
  tell(report_exited(control_, report));
}

// user + system + those of waited-for children, in clock ticks: fields 14 to 17 of /proc/PID/stat (proc(5)).
uint64_t cpu_ticks(const char* pid) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/stat", pid);
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  if (!file) return 0;  // just ended: its time is with its parent now, or with us
  char text[1024];
  const ssize_t length = read(file.get(), text, sizeof text - 1);
  if (length <= 0) return 0;
  text[length] = '\0';
  // The name is in parentheses and may hold anything: the fields start after the last one.
  const char* field = strrchr(text, ')');
  if (field == nullptr) return 0;
  unsigned long long times[4];
  if (sscanf(field + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu", &times[0], &times[1],
             &times[2], &times[3]) != 4) {
    return 0;
  }
  return times[0] + times[1] + times[2] + times[3];
}

// CPU time of everything that ever ran in the sandbox, except PID 1 itself.
uint64_t tree_cpu_us() {
  const rusage usage = reaped_usage();
  uint64_t ticks = 0;
  if (DIR* proc = opendir("/proc"); proc != nullptr) {
    while (const dirent* entry = readdir(proc)) {
      const bool is_pid = entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
      if (is_pid && strcmp(entry->d_name, "1") != 0) ticks += cpu_ticks(entry->d_name);
    }
    closedir(proc);
  }
  static const uint64_t ticks_per_second = static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return to_us(usage.ru_utime) + to_us(usage.ru_stime) + ticks * 1'000'000 / ticks_per_second;
}

void Reaper::watch_clocks() {
  const uint64_t now = now_us();
  for (size_t i = 0; i < running_count_; i++) {
    Running& running = running_[i];
    if (running.reason != ExitReason::own) continue;
    const uint64_t before = to_us(running.usage_before.ru_utime) + to_us(running.usage_before.ru_stime);
    if (running.deadline_us != 0 && now >= running.deadline_us) running.reason = ExitReason::wall_time;
    if (running.cpu_limit_us != 0 && tree_cpu_us() - before >= running.cpu_limit_us) {
      running.reason = ExitReason::cpu_time;
    }
    if (running.reason == ExitReason::own) continue;
    // A sandbox of one program goes as a whole; in a session the others have done nothing.
    (void)kill(running.oneshot ? -1 : -running.pid, SIGKILL);
    (void)kill(running.pid, SIGKILL);
  }
}

int Reaper::timeout_ms() const {
  uint64_t wait_us = UINT64_MAX;
  const uint64_t now = now_us();
  for (size_t i = 0; i < running_count_; i++) {
    const Running& running = running_[i];
    if (running.reason != ExitReason::own) continue;
    if (running.cpu_limit_us != 0) wait_us = std::min(wait_us, kCpuSampleUs);
    if (running.deadline_us != 0) {
      wait_us = std::min(wait_us, running.deadline_us > now ? running.deadline_us - now : 0);
    }
  }
  // Rounded up, so as not to spin through the last millisecond; a day at most, which fits an int.
  return wait_us == UINT64_MAX ? -1 : static_cast<int>(std::min<uint64_t>(wait_us, 86'400'000'000) / 1000 + 1);
}

}  // namespace

int serve(const LaunchPlan& plan, int control) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  const auto fail = [control](const Status& status) {
    report_error(control, status);
    return 1;
  };
  if (sigprocmask(SIG_BLOCK, &child, nullptr) != 0) return fail(failure("reaper", "sigprocmask"));
  const Fd signals(signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return fail(failure("reaper", "signalfd"));
  const Fd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return fail(failure("reaper", "open", "/dev/null"));
  if (const Status parked = park_stdio(null.get()); !parked.ok()) return fail(parked);
  static Reaper reaper(plan, control, signals.get(), null.get());  // too large for a comfortable stack
  return reaper.run();
}

}  // namespace skillbox
