// Theory of operation: the seccomp listener is born in the process that installs the filter, and has to reach the
// supervisor before that process may make any call that is notified. So the child shares PID 1's memory and
// descriptor table (CLONE_VM | CLONE_FILES, as vfork does, but PID 1 goes on running): the child writes the
// listener's number into shared memory and waits on a futex, PID 1 sends the listener away and wakes it. The exec then
// gives the child memory and descriptors of its own, which the kernel tells PID 1 by clearing the child's tid word
// (CLONE_CHILD_CLEARTID). Nothing here needs more than futex(2), which no filter of ours notifies.
#include "process.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "../sys/fd_passing.h"
#include "../sys/raw_syscall.h"
#include "../sys/syscalls.h"
#include "report.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)  // Linux 5.19
#endif

namespace skillbox {

namespace {

// What child and PID 1 say to each other, in memory that both see.
struct Handover {
  const LaunchPlan* plan;
  const ProcessPlan* process;
  const char* program;
  uint32_t tid_word;   // the child's tid; 0 after its exec or exit
  uint32_t installed;  // 1: the filter is in, `listener` holds the descriptor or -1
  uint32_t proceed;    // 1: the listener is on its way to the supervisor
  int listener;
  Status failed;
};

void futex_wait(uint32_t* word, uint32_t value, long milliseconds) {
  const timespec timeout = {milliseconds / 1000, (milliseconds % 1000) * 1000000};
  sys::raw(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAIT, value, reinterpret_cast<long>(&timeout));
}

void futex_wake(uint32_t* word) { sys::raw(SYS_futex, reinterpret_cast<long>(word), FUTEX_WAKE, 1); }

uint32_t load(const uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }
void store(uint32_t* word, uint32_t value) { __atomic_store_n(word, value, __ATOMIC_RELEASE); }

Status apply_limits(const ProcessPlan& process) {
  for (size_t i = 0; i < process.rlimit_count; i++) {
    const auto& limit = process.rlimits[i];
    rlimit value = {limit.soft, limit.hard};
    // What the caller may not raise stays as it is: a limit below the policy's is within the policy.
    rlimit now;
    if (getrlimit(static_cast<__rlimit_resource>(limit.resource), &now) != 0) return failure("process", "getrlimit");
    if (value.rlim_max > now.rlim_max) value.rlim_max = now.rlim_max;
    if (value.rlim_cur > value.rlim_max) value.rlim_cur = value.rlim_max;
    if (setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) != 0) return failure("process", "setrlimit");
  }
  return success();
}

Status reset_signals() {
  // The kernel's struct sigaction, of zeroes: SIG_DFL. Not by sigaction(3), which hides two signals of the C library's own,
  // and its posix_spawn() leaves those ignored.
  const uint64_t by_default[4] = {};
  for (int signal_number = 1; signal_number < NSIG; signal_number++) {
    if (signal_number == SIGKILL || signal_number == SIGSTOP) continue;
    const long result =
        sys::raw(SYS_rt_sigaction, signal_number, reinterpret_cast<long>(by_default), 0, sizeof(uint64_t));
    if (result != 0) return failure_with(static_cast<int>(-result), "process", "rt_sigaction");
  }
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, nullptr) != 0) return failure("process", "sigprocmask");
  return success();
}

Status install_filter(const LaunchPlan& plan, int* listener) {
  *listener = -1;
  if (plan.filter_length == 0) return success();
  sock_fprog program = {static_cast<unsigned short>(plan.filter_length),
                        reinterpret_cast<sock_filter*>(const_cast<uint8_t*>(plan.filter))};
  if (!plan.listener) {
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) return failure("seccomp", "SET_MODE_FILTER");
    return success();
  }
  long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                    SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
  if (fd < 0 && errno == EINVAL) {  // before Linux 5.19
    fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  }
  if (fd < 0) return failure("seccomp", "NEW_LISTENER");
  *listener = static_cast<int>(fd);
  return success();
}

Status prepare_child(Handover* handover) {
  const ProcessPlan& process = *handover->process;
  if (setsid() < 0) return failure("process", "setsid");
  if (process.terminal && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) return failure("process", "TIOCSCTTY");
  if (chdir(process.cwd) != 0) return failure("process", "chdir", process.cwd);
  umask(process.umask);
  SKILLBOX_TRY(reset_signals());
  SKILLBOX_TRY(apply_limits(process));
  // Everything of PID 1 is CLOEXEC by birth; this holds even if it is not.
  if (sys::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return failure("process", "close_range");
  int listener;
  SKILLBOX_TRY(install_filter(*handover->plan, &listener));
  handover->listener = listener;
  return success();
}

int child_main(void* argument) {
  auto* handover = static_cast<Handover*>(argument);
  handover->failed = prepare_child(handover);
  store(&handover->installed, 1);
  futex_wake(&handover->installed);
  if (handover->failed.ok()) {
    while (load(&handover->proceed) == 0) futex_wait(&handover->proceed, 0, 1000);
    execve(handover->program, handover->process->argv, handover->process->environment);
    handover->failed = failure("exec", "execve", handover->program);
  }
  sys::raw(SYS_exit_group, 127);
  __builtin_unreachable();
}

bool supervisor_is_gone(int control) {
  pollfd poll_fd = {control, POLLRDHUP, 0};
  return poll(&poll_fd, 1, 0) > 0;  // it is asked again soon
}

// The first candidate that is an executable file. Asked before the filter is in, so that looking is not on record.
Status choose_program(const ProcessPlan& process, const char** program) {
  Status worst = failure_with(ENOENT, "exec", "find", process.argv[0]);
  for (size_t i = 0; i < process.candidate_count; i++) {
    const char* candidate = process.candidates[i];
    struct stat found;
    if (stat(candidate, &found) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) worst = failure("exec", "stat", candidate);
      continue;
    }
    if (S_ISREG(found.st_mode) && access(candidate, X_OK) == 0) {
      *program = candidate;
      return success();
    }
    worst = S_ISREG(found.st_mode) ? failure("exec", "access", candidate)
                                   : failure_with(EACCES, "exec", "execute", candidate);
  }
  return worst;
}

// It waits on our stack and in our memory; the next program's child must not find it there.
void end_child(Handover& handover, pid_t pid) {
  kill(pid, SIGKILL);
  for (uint32_t tid = load(&handover.tid_word); tid != 0; tid = load(&handover.tid_word)) {
    futex_wait(&handover.tid_word, tid, 100);
  }
}

Status hand_over_listener(int control, uint32_t process, int listener) {
  ReportWriter report(Report::listener);
  report.u32(process);
  const int fds[] = {listener};
  if (!report.send(control, fds)) return failure("seccomp", "send listener");
  return success();
}

alignas(16) uint8_t child_stack[64 * 1024];

pid_t clone_child(Handover* handover) {
  // clone(2) by the C library: it switches stacks, which clone3 by hand would have to do in assembly.
  return clone(child_main, child_stack + sizeof child_stack,
               CLONE_VM | CLONE_FILES | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID | SIGCHLD, handover, nullptr, nullptr,
               &handover->tid_word);
}

}  // namespace

Status start_process(const LaunchPlan& plan, const ProcessPlan& process, int control, StartedProcess* started) {
  // Static: the child may outlive this frame only if PID 1 dies, but a stack that two tasks share deserves no guess.
  static Handover handover;
  handover = {};
  handover.plan = &plan;
  handover.process = &process;
  handover.tid_word = 1;
  SKILLBOX_TRY(choose_program(process, &handover.program));

  started->pid = clone_child(&handover);
  if (started->pid < 0) return failure("process", "clone");
  while (load(&handover.installed) == 0 && load(&handover.tid_word) != 0) futex_wait(&handover.installed, 0, 100);

  if (handover.failed.ok() && handover.listener >= 0) {
    const Status handed = hand_over_listener(control, process.id, handover.listener);
    close(handover.listener);
    if (!handed.ok()) {
      end_child(handover, started->pid);
      return handed;
    }
  }
  store(&handover.proceed, 1);
  futex_wake(&handover.proceed);
  // Until the exec the child reads the process plan and shares descriptors 0-2: wait it out, but not for a supervisor
  // that is no longer there to answer the notification of the exec.
  for (;;) {
    const uint32_t tid = load(&handover.tid_word);
    if (tid == 0) break;
    futex_wait(&handover.tid_word, tid, 20);
    if (supervisor_is_gone(control)) return failure_with(ECONNRESET, "process", "await exec");
  }
  started->failed = handover.failed;
  return success();
}

}  // namespace skillbox
