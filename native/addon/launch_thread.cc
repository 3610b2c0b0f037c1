#include "launch_thread.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <deque>
#include <mutex>
#include <thread>

#include "../init/report.h"

namespace skillbox {

namespace {

struct Launch {
  std::string init_path;
  Fd plan;
  Fd control;
};

// Above every number that the file actions write to, so that no dup2 overwrites a source.
Fd lift(const Fd& fd) { return Fd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 10)); }

int spawn(const Launch& launch, int announce_fd, pid_t* pid) {
  const Fd control = lift(launch.control);
  const Fd plan = lift(launch.plan);
  const Fd announce(fcntl(announce_fd, F_DUPFD_CLOEXEC, 10));
  if (!control || !plan || !announce) return errno;

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; fd++) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, control.get(), 3);
  posix_spawn_file_actions_adddup2(&actions, plan.get(), 4);
  posix_spawn_file_actions_adddup2(&actions, announce.get(), 5);

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
  char* argv[] = {name, nullptr};
  char* environment[] = {nullptr};
  const int error = posix_spawn(pid, launch.init_path.c_str(), &actions, &attributes, argv, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// Returns a pidfd of PID 1, or none where there is no PID 1.
Fd carry_out(const Launch& launch) {
  const auto fail = [&](int error, const char* op) {
    report_error(launch.control.get(), failure_with(error, "spawn", op, launch.init_path.c_str()));
    return Fd();
  };
  int announce[2];
  if (pipe2(announce, O_CLOEXEC) != 0) return fail(errno, "pipe2");
  Fd announced(announce[0]);
  Fd announcing(announce[1]);
  pid_t outer = -1;
  const int error = spawn(launch, announcing.get(), &outer);
  if (error != 0) return fail(error, "posix_spawn");
  announcing.reset();
  // The outer half lives for a millisecond or two. Where it fails it has told so itself, unless it was killed.
  int status = 0;
  while (waitpid(outer, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) fail(ECHILD, "killed by a signal");
  pid_t init = -1;
  if (read(announced.get(), &init, sizeof init) != sizeof init) return Fd();
  // Nobody else reaps it, so the number is still its own.
  return Fd(static_cast<int>(syscall(SYS_pidfd_open, init, 0)));
}

// Starts sandboxes and reaps their PID 1s. It is the process that has to reap, not the worker or event loop that asked for
// the sandbox: those may be gone by then.
class LaunchThread {
 public:
  LaunchThread()
      : epoll_(epoll_create1(EPOLL_CLOEXEC)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        thread_([this] { run(); }) {
    thread_.detach();
  }

  void push(Launch launch) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(launch));
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);  // fails only when it is awake already
  }

 private:
  void run() {
    // Signals are for the threads of Node.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    watch(wake_.get());
    for (;;) {
      epoll_event events[32];
      const int count = epoll_wait(epoll_.get(), events, 32, -1);
      for (int i = 0; i < count; i++) {
        if (events[i].data.fd == wake_.get()) {
          take_launches();
        } else {
          reap(Fd(events[i].data.fd));
        }
      }
    }
  }

  void watch(int fd) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }

  void take_launches() {
    uint64_t count;
    (void)!read(wake_.get(), &count, sizeof count);
    for (;;) {
      std::unique_lock lock(mutex_);
      if (queue_.empty()) return;
      const Launch launch = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      Fd init = carry_out(launch);
      if (init) watch(init.release());
    }
  }

  // A pidfd is readable from the moment its process is a zombie (pidfd_open(2)).
  void reap(Fd pidfd) {
    siginfo_t status = {};
    waitid(static_cast<idtype_t>(3 /* P_PIDFD */), static_cast<id_t>(pidfd.get()), &status, WEXITED | WNOHANG);
  }

  Fd epoll_;
  Fd wake_;
  std::mutex mutex_;
  std::deque<Launch> queue_;
  std::thread thread_;
};

}  // namespace

void launch_init(std::string init_path, Fd plan, Fd control) {
  // Never destroyed: it lives as long as the process, and nothing may join it at exit.
  static LaunchThread* const thread = new LaunchThread();
  thread->push({std::move(init_path), std::move(plan), std::move(control)});
}

}  // namespace skillbox
