#include "launch_thread.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <condition_variable>
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
Fd lift(Fd fd) { return Fd(fcntl(fd.get(), F_DUPFD_CLOEXEC, 10)); }

int spawn(Launch& launch, pid_t* pid) {
  const Fd control = lift(Fd(fcntl(launch.control.get(), F_DUPFD_CLOEXEC, 10)));
  const Fd plan = lift(std::move(launch.plan));
  if (!control || !plan) return errno;

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (int fd = 0; fd < 3; fd++) posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  posix_spawn_file_actions_adddup2(&actions, control.get(), 3);
  posix_spawn_file_actions_adddup2(&actions, plan.get(), 4);

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

void carry_out(Launch launch) {
  pid_t outer = -1;
  const int error = spawn(launch, &outer);
  if (error != 0) {
    report_error(launch.control.get(), failure_with(error, "spawn", "posix_spawn", launch.init_path.c_str()));
    return;
  }
  // The outer half lives for a millisecond or two. Where it fails it has told so itself, unless it was killed.
  int status = 0;
  while (waitpid(outer, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    report_error(launch.control.get(), failure_with(ECHILD, "spawn", "killed by a signal", launch.init_path.c_str()));
  }
}

class LaunchThread {
 public:
  LaunchThread() : thread_([this] { run(); }) { thread_.detach(); }

  void push(Launch launch) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(launch));
    }
    wake_.notify_one();
  }

 private:
  void run() {
    // Signals are for the threads of Node.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return !queue_.empty(); });
      Launch launch = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      carry_out(std::move(launch));
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
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
