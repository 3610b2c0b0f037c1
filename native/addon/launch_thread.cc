#include "launch_thread.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <deque>
#include <map>
#include <mutex>

#include "../init/report.h"
#include "../sys/thread.h"

namespace skillbox {

namespace {

struct Launch {
  std::string init_path;
  bool in_cgroup;
  Fd control;
};

// The outer half of skillbox-init, until it has ended.
struct Outer {
  Launch launch;
  Fd announced;  // the pid of PID 1, if it came to that
};

// Above every number that the file actions write to, so that no dup2 overwrites a source.
Fd lift(const Fd& fd) { return Fd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 10)); }

int spawn(const Launch& launch, int announce_fd, pid_t* pid) {
  const Fd control = lift(launch.control);
  const Fd announce(fcntl(announce_fd, F_DUPFD_CLOEXEC, 10));
  if (!control || !announce) return errno;

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  // They fail for lack of memory alone.
  bool complete = true;
  for (int fd = 0; fd < 3; fd++) {
    complete = complete && posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0) == 0;
  }
  complete = complete && posix_spawn_file_actions_adddup2(&actions, control.get(), 3) == 0;
  complete = complete && posix_spawn_file_actions_adddup2(&actions, announce.get(), 4) == 0;

  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  char name[] = "skillbox-init";
  char in_cgroup[] = "--cgroup";
  char* argv[] = {name, launch.in_cgroup ? in_cgroup : nullptr, nullptr};
  char* environment[] = {nullptr};
  const int error =
      complete ? posix_spawn(pid, launch.init_path.c_str(), &actions, &attributes, argv, environment) : ENOMEM;
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

void report_failure(const Launch& launch, int error, const char* op) {
  report_error(launch.control.get(), failure_with(error, "spawn", op, launch.init_path.c_str()));
}

// Nobody else reaps our children, so a number is theirs until we do.
Fd open_pidfd(pid_t pid) { return Fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))); }

// Starts sandboxes and reaps their PID 1s. It is the process that has to reap, not the worker or event loop that asked for
// the sandbox: those may be gone by then.
class LaunchThread {
 public:
  LaunchThread() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // Returns 0 or an errno.
  int start() {
    if (!epoll_ || !wake_ || !watch(wake_.get())) return errno;
    return sys::start_thread(this);
  }

  void push(Launch launch) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(launch));
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);  // fails only when it is awake already
  }

  // Of the thread itself.
  void run() {
    // Signals are for the threads of Node.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    prctl(PR_SET_NAME, "skillbox-launch");
    for (;;) {
      epoll_event events[32];
      const int count = epoll_wait(epoll_.get(), events, 32, -1);
      for (int i = 0; i < count; i++) {
        const int fd = events[i].data.fd;
        if (fd == wake_.get()) {
          take_launches();
        } else if (const auto outer = outers_.find(fd); outer != outers_.end()) {
          const Outer ended = std::move(outer->second);
          outers_.erase(outer);
          outer_ended(unwatch(fd), ended);
        } else {
          reap(unwatch(fd));
        }
      }
    }
  }

 private:
  bool watch(int fd) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  }

  // Closing alone is not enough. vfork's parent goes on as soon as the child executes, which is before the kernel closes
  // the child's copies of our descriptors: one that is still watched would be reported until then, under a number that is
  // somebody else's by now.
  Fd unwatch(int fd) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    return Fd(fd);
  }

  void take_launches() {
    uint64_t count;
    (void)!read(wake_.get(), &count, sizeof count);
    for (;;) {
      std::unique_lock lock(mutex_);
      if (queue_.empty()) return;
      Launch launch = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      carry_out(std::move(launch));
    }
  }

  void carry_out(Launch launch) {
    int announce[2];
    if (pipe2(announce, O_CLOEXEC) != 0) return report_failure(launch, errno, "pipe2");
    Fd announced(announce[0]);
    Fd announcing(announce[1]);
    pid_t pid = -1;
    const int error = spawn(launch, announcing.get(), &pid);
    if (error != 0) return report_failure(launch, error, "posix_spawn");
    announcing.reset();
    Fd pidfd = open_pidfd(pid);
    if (!pidfd || !watch(pidfd.get())) {
      report_failure(launch, errno, pidfd ? "epoll_ctl" : "pidfd_open");
      kill(pid, SIGKILL);
      return outer_ended(pid, {std::move(launch), std::move(announced)});
    }
    // It may wait for its plan for a while: others are started meanwhile.
    outers_.emplace(pidfd.release(), Outer{std::move(launch), std::move(announced)});
  }

  void outer_ended(const Fd& pidfd, const Outer& outer) {
    siginfo_t status = {};
    while (waitid(kPidfd, static_cast<id_t>(pidfd.get()), &status, WEXITED) != 0 && errno == EINTR) {
    }
    // Where it fails it has told so itself, with status 1, unless it was killed or its C library gave up before it began.
    if (status.si_code != CLD_EXITED) {
      report_failure(outer.launch, ECHILD, "killed by a signal");
    } else if (status.si_status > 1) {
      report_failure(outer.launch, ENOMEM, "start");
    }
    adopt(outer);
  }

  // Without a descriptor to wait with.
  void outer_ended(pid_t pid, const Outer& outer) {
    wait_for(pid);
    adopt(outer);
  }

  // From now on PID 1 is ours to reap.
  void adopt(const Outer& outer) {
    pid_t init = -1;
    if (read(outer.announced.get(), &init, sizeof init) != sizeof init) return;
    Fd pidfd = open_pidfd(init);
    if (pidfd && watch(pidfd.get())) {
      (void)pidfd.release();  // until it is readable
      return;
    }
    report_failure(outer.launch, errno, pidfd ? "epoll_ctl" : "pidfd_open");
    kill(init, SIGKILL);
    wait_for(init);
  }

  void wait_for(pid_t pid) {
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  // A pidfd is readable from the moment its process is a zombie (pidfd_open(2)).
  void reap(const Fd& pidfd) {
    siginfo_t status = {};
    waitid(kPidfd, static_cast<id_t>(pidfd.get()), &status, WEXITED | WNOHANG);
  }

  static constexpr idtype_t kPidfd = static_cast<idtype_t>(3);  // P_PIDFD, which glibc names from 2.36 on

  Fd epoll_;
  Fd wake_;
  std::mutex mutex_;
  std::deque<Launch> queue_;
  std::map<int, Outer> outers_;  // by pidfd; the thread's own
};

sys::ThreadOfProcess<LaunchThread> launch_thread;

}  // namespace

int open_launch_thread() { return launch_thread.open(); }

void launch_init(std::string init_path, bool in_cgroup, Fd control) {
  launch_thread.get()->push({std::move(init_path), in_cgroup, std::move(control)});
}

}  // namespace skillbox
