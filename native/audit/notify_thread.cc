// Theory of operation: every listener is in one epoll set. What is ready is received first, all of it, and handled after:
// a notification that nobody has received yet can be interrupted by a signal, and a program whose handler has no SA_RESTART
// then sees EINTR from a call that never fails so (seccomp_unotify(2)). A received one can only be killed
// (SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, Linux 5.19). The answer is CONTINUE, or the errno that the filter itself would
// have given. An error of ours never becomes CONTINUE for what was to be refused: without a listener the call is ENOSYS.
#include "notify_thread.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "../sys/thread.h"
#include "bpf.h"
#include "decode.h"
#include "exit_status.h"
#include "json.h"
#include "process_table.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)  // Linux 6.6
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

namespace skillbox {

namespace {

constexpr size_t kMostReceived = 64;
constexpr int kFlushIntervalMs = 50;

// The kernel may know a larger struct than our headers (SECCOMP_GET_NOTIF_SIZES); it fills what it is given room for.
struct NotificationSizes {
  NotificationSizes() {
    seccomp_notif_sizes sizes = {};
    if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) != 0) error = errno;
    notification = std::max<size_t>(sizes.seccomp_notif, sizeof(seccomp_notif));
    response = std::max<size_t>(sizes.seccomp_notif_resp, sizeof(seccomp_notif_resp));
  }
  size_t notification;
  size_t response;
  int error = 0;
};

enum class Watched : uint32_t { wake, flush, listener, process };

struct Listener {
  Listener(uint32_t id, std::shared_ptr<Fd> fd, std::shared_ptr<Supervision> supervision, ProcessTable processes)
      : id(id), fd(std::move(fd)), supervision(std::move(supervision)), processes(std::move(processes)) {}

  uint32_t id;
  std::shared_ptr<Fd> fd;  // shared with held calls, which outlive no descriptor that they are answered on
  std::shared_ptr<Supervision> supervision;
  ProcessTable processes;
  bool ended = false;  // the last task has let go of the filter; some may not have ended yet
};

struct Held {
  std::shared_ptr<Fd> fd;
  uint64_t id;
};

// Among negative errnos, and 0 for a call that returns 0 without effect, the value that lets it go on.
constexpr int kContinue = 1;

struct Received {
  Listener* listener;
  seccomp_notif notification;
};

class NotifyThread {
 public:
  NotifyThread()
      : epoll_(epoll_create1(EPOLL_CLOEXEC)),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        flush_timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {}

  // Returns 0 or an errno.
  int start() {
    if (sizes_.error != 0) return sizes_.error;
    if (!epoll_ || !wake_ || !flush_timer_) return errno;
    if (!watch(wake_.get(), Watched::wake, 0, 0) || !watch(flush_timer_.get(), Watched::flush, 0, 0)) return errno;
    return sys::start_thread(this);
  }

  // Returns 0 or an errno. Watched from here on, by whom the caller can tell of a failure: a listener that nobody watches is a
  // program that waits for ever.
  int add(Fd listener, std::shared_ptr<Supervision> supervision) {
    const std::lock_guard lock(mutex_);
    const uint32_t id = next_id_++ & 0x3fffffff;
    if (!watch(listener.get(), Watched::listener, id, 0)) return errno;
    incoming_.push_back({id, std::move(listener), std::move(supervision)});
    wake();
    return 0;
  }

  void drain(const std::shared_ptr<Record>& record) {
    std::unique_lock lock(mutex_);
    const uint64_t turn = ++drains_asked_;
    wake();
    drained_.wait(lock, [&] { return drains_done_ >= turn; });
    lock.unlock();
    record->flush();
  }

  void answer_held(uint64_t key, int error);

  // Of the thread itself.
  void run();

 private:
  struct Incoming {
    uint32_t id;
    Fd fd;
    std::shared_ptr<Supervision> supervision;
  };

  void wake() {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);  // fails only when it is awake already
  }

  static void receive_at_once();
  void take_incoming(bool caught_up);
  void receive_all(const epoll_event* events, int count);
  void handle(const Received& received);
  void append_program(const Supervision& supervision);
  void hold(Listener& listener, const seccomp_notif& notification, const SyscallSignature* signature,
            const TaskInfo& task, const Decoded& decoded);
  static bool is_outward(const SyscallSignature* signature);
  static bool is_unconnected(int socket);
  static bool stop(const Supervision& supervision);
  static bool respond(const Fd& listener, uint64_t id, int error);
  void process_ended(uint32_t listener_id, pid_t process);
  void let_go(uint32_t listener_id);
  void flush_later();
  void flush_all();
  bool watch(int fd, Watched what, uint32_t listener_id, pid_t process);

  const NotificationSizes sizes_;
  Fd epoll_;
  Fd wake_;
  Fd flush_timer_;
  std::mutex mutex_;
  std::condition_variable drained_;
  uint64_t drains_asked_ = 0;
  uint64_t drains_done_ = 0;
  std::vector<Incoming> incoming_;
  std::map<uint64_t, Held> held_;
  uint64_t next_key_ = 0;
  std::map<uint32_t, Listener> listeners_;
  uint32_t next_id_ = 1;
  std::vector<Received> received_;
  std::string event_;
  bool unflushed_ = false;
};

// epoll carries 64 bits: two for the kind, 30 for the listener, 32 for the process.
uint64_t tag(Watched what, uint32_t listener_id, pid_t process) {
  return static_cast<uint64_t>(what) << 62 | static_cast<uint64_t>(listener_id & 0x3fffffff) << 32 |
         static_cast<uint32_t>(process);
}

// For the record; 0 stands for the supervisor.
uint64_t task_key(uint32_t listener_id, pid_t tid) {
  return static_cast<uint64_t>(listener_id) << 32 | static_cast<uint32_t>(tid);
}

void NotifyThread::run() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  prctl(PR_SET_NAME, "skillbox-notify");
  receive_at_once();
  for (;;) {
    epoll_event events[kMostReceived];
    const int count = epoll_wait(epoll_.get(), events, kMostReceived, -1);
    receive_all(events, count);
    for (const Received& received : received_) handle(received);
    received_.clear();
    bool woken = false;
    for (int i = 0; i < count; i++) {
      const auto what = static_cast<Watched>(events[i].data.u64 >> 62);
      const auto listener_id = static_cast<uint32_t>(events[i].data.u64 >> 32 & 0x3fffffff);
      if (what == Watched::wake) woken = true;
      if (what == Watched::flush) flush_all();
      if (what == Watched::process) process_ended(listener_id, static_cast<pid_t>(events[i].data.u64 & 0xffffffff));
      // The last task under the filter is gone.
      if (what == Watched::listener && (events[i].events & EPOLLHUP) != 0) let_go(listener_id);
    }
    // A full batch may have left something waiting that a drain has to see first.
    if (woken) take_incoming(count < static_cast<int>(kMostReceived));
  }
}

// A notified task can be interrupted until we have received its call. Under SCHED_FIFO we run before it has gone to sleep, and
// its signals find a received call: of 1000 signals that met a program opening files 15 to 30 became EINTR, under SCHED_OTHER
// 50 to 600, as long as a switch of tasks takes and however many others want the processor. Neither a nice value nor a
// shorter slice (sched_setattr(2)), no wake-up without the synchronous flag and no polling for 20 to 100 µs before we sleep
// made a difference that stood out: the program is in a session, and with autogroups in a scheduling group, of its own.
// What we do at that priority is bounded by what the programs do at theirs: each task has one call with us at a time, and a
// call costs us no more than so many reads of its memory (memory.h). It takes CAP_SYS_NICE or RLIMIT_RTPRIO; others stay
// with SCHED_OTHER.
void NotifyThread::receive_at_once() {
  const sched_param lowest = {sched_get_priority_min(SCHED_FIFO)};
  (void)sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest);
}

bool NotifyThread::watch(int fd, Watched what, uint32_t listener_id, pid_t process) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = tag(what, listener_id, process);
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void NotifyThread::take_incoming(bool caught_up) {
  uint64_t count;
  (void)!read(wake_.get(), &count, sizeof count);
  std::unique_lock lock(mutex_);
  auto incoming = std::move(incoming_);
  incoming_.clear();
  const uint64_t turn = drains_asked_;
  lock.unlock();
  for (auto& [id, fd, supervision] : incoming) {
    // With it the kernel hands the processor to us and back instead of waking us elsewhere: half the time for each call.
    ioctl(fd.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
    listeners_.try_emplace(
        id, id, std::make_shared<Fd>(std::move(fd)), std::move(supervision),
        ProcessTable([this, id](int pidfd, pid_t process) { return watch(pidfd, Watched::process, id, process); }));
  }
  lock.lock();
  if (turn > drains_done_ && !caught_up) {
    wake();
  } else if (turn > drains_done_) {
    drains_done_ = turn;
    drained_.notify_all();
  }
}

// Once around everything that is ready, and again while something still is: each is one more that no signal interrupts.
void NotifyThread::receive_all(const epoll_event* events, int count) {
  alignas(seccomp_notif) uint8_t buffer[1024];
  for (int i = 0; i < count; i++) {
    if (static_cast<Watched>(events[i].data.u64 >> 62) != Watched::listener) continue;
    if ((events[i].events & EPOLLIN) == 0) continue;
    const auto found = listeners_.find(static_cast<uint32_t>(events[i].data.u64 >> 32 & 0x3fffffff));
    if (found == listeners_.end()) continue;
    Listener& listener = found->second;
    for (;;) {
      memset(buffer, 0, std::min(sizes_.notification, sizeof buffer));  // the kernel insists on zeroes
      auto* notification = reinterpret_cast<seccomp_notif*>(buffer);
      if (ioctl(listener.fd->get(), SECCOMP_IOCTL_NOTIF_RECV, notification) == 0) {
        received_.push_back({&listener, *notification});
      } else if (errno != ENOENT && errno != EINTR) {  // ENOENT: the task was killed meanwhile
        break;
      }
      if (listener.processes.has_one_task()) break;  // it waits for us
      pollfd more = {listener.fd->get(), POLLIN, 0};
      if (received_.size() >= kMostReceived || poll(&more, 1, 0) <= 0 || (more.revents & POLLIN) == 0) break;
    }
  }
}

void NotifyThread::handle(const Received& received) {
  Listener& listener = *received.listener;
  const Supervision& supervision = *listener.supervision;
  const seccomp_notif& notification = received.notification;
  const auto tid = static_cast<pid_t>(notification.pid);

  const uint32_t verdict = run_filter(supervision.verdicts, notification.data);
  const uint32_t action = verdict & SECCOMP_RET_ACTION_FULL;
  const bool refused = action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_USER_NOTIF && action != SECCOMP_RET_LOG;
  const int error = action == SECCOMP_RET_ERRNO ? static_cast<int>(verdict & SECCOMP_RET_DATA) : EPERM;

  const TaskInfo task = listener.processes.find(tid);
  const SyscallSignature* signature = supervision.tables->find(notification.data.nr);
  const Call call = {notification, signature, task};
  event_.clear();
  const Decoded decoded = append_call(event_, call, *supervision.tables, supervision.view);
  append_program(supervision);
  const bool held = !refused && supervision.on_held && decoded.endpoint.present && !decoded.endpoint.loopback &&
                    is_outward(signature);
  if (refused) {
    append_refusal(event_, error);
  } else if (!held) {
    append_expectation(event_, call, decoded);
  }

  const uint64_t key = task_key(listener.id, tid);
  if (!refused && !held) {
    const bool recorded = supervision.record->append_unsure(event_, key);
    flush_later();
    if (!recorded && stop(supervision)) return;
    if (signature != nullptr && signature->type == "process.exec") listener.processes.expect_exec(tid, decoded.path);
    // Where the task is gone, what was read may be another's that got its number; and no call was made.
    if (!respond(*listener.fd, notification.id, recorded ? kContinue : -EPERM)) {
      supervision.record->take_back();
    } else if (!supervision.record->keep()) {
      stop(supervision);
    }
    return;
  }

  // Only now is it sure that what was read belongs to the task that asked, and not to one that got its number.
  if (ioctl(listener.fd->get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &notification.id) != 0) return;
  if (held) return hold(listener, notification, signature, task, decoded);
  const bool recorded = supervision.record->append(event_, true, key);
  flush_later();
  if (!recorded && stop(supervision)) return;
  (void)respond(*listener.fd, notification.id, -error);
}

// What cannot be recorded gets no answer: it ends with PID 1, before the program can make something of a refusal.
bool NotifyThread::stop(const Supervision& supervision) {
  return supervision.init && syscall(SYS_pidfd_send_signal, supervision.init.get(), SIGKILL, nullptr, 0) == 0;
}

void NotifyThread::append_program(const Supervision& supervision) {
  if (supervision.program == 0) return;
  append_key(event_, "program");
  append_number(event_, supervision.program);
}

// A TCP socket before its connect(), or after one that failed.
bool NotifyThread::is_unconnected(int socket) {
  tcp_info info = {};
  socklen_t length = sizeof info;
  return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_state == TCP_CLOSE;
}

bool NotifyThread::is_outward(const SyscallSignature* signature) {
  return signature != nullptr && (signature->type == "net.connect" || signature->type == "net.send");
}

void NotifyThread::hold(Listener& listener, const seccomp_notif& notification, const SyscallSignature* signature,
                        const TaskInfo& task, const Decoded& decoded) {
  flush_later();
  // What kind of socket it is decides what the call means, and only the socket itself tells.
  errno = EPERM;
  const Fd socket = task.process == nullptr ? Fd()
                                            : listener.processes.take_fd(task.process->process,
                                                                         static_cast<int>(notification.data.args[0]));
  int type = 0;
  socklen_t length = sizeof type;
  if (!socket || getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &length) != 0) {
    // What is no socket gets the kernel's own answer.
    const int error = errno == EBADF || errno == ENOTSOCK ? errno : EPERM;
    append_key(event_, "verdict");
    append_json_string(event_, error == EPERM ? "deny" : "expected-deny");
    append_key(event_, "rule");
    append_json_string(event_, "socket cannot be looked at");
    append_key(event_, "errno");
    append_json_string(event_, errno_name(error));
    listener.supervision->record->append(event_, error == EPERM,
                                         task_key(listener.id, static_cast<pid_t>(notification.pid)));
    (void)respond(*listener.fd, notification.id, -error);
    return;
  }
  const bool connects = signature->type == "net.connect";
  if (type == SOCK_STREAM && !(connects && is_unconnected(socket.get()))) {
    // It goes nowhere new: the kernel takes no notice of the address of a send, and answers a further connect() by itself,
    // which is how programs ask for the outcome of one that was interrupted.
    append_key(event_, "verdict");
    append_json_string(event_, connects ? "expected-deny" : "expected-allow");
    append_key(event_, "rule");
    append_json_string(event_, connects ? "connected or connecting already" : "a stream has its address already");
    const bool recorded = listener.supervision->record->append(
        event_, false, task_key(listener.id, static_cast<pid_t>(notification.pid)));
    (void)respond(*listener.fd, notification.id, recorded ? kContinue : -EPERM);
    return;
  }
  uint64_t key;
  {
    const std::lock_guard lock(mutex_);
    key = ++next_key_;
    held_.emplace(key, Held{listener.fd, notification.id});
  }
  listener.supervision->on_held({key, event_, decoded.endpoint.address, decoded.endpoint.port, connects,
                                 type == SOCK_DGRAM, (fcntl(socket.get(), F_GETFL) & O_NONBLOCK) != 0});
}

void NotifyThread::answer_held(uint64_t key, int error) {
  const std::lock_guard lock(mutex_);
  const auto found = held_.find(key);
  if (found == held_.end()) return;
  (void)respond(*found->second.fd, found->second.id, error == 0 ? kContinue : -error);
  held_.erase(found);
}

// False when the task is gone (ENOENT).
bool NotifyThread::respond(const Fd& listener, uint64_t id, int error) {
  alignas(seccomp_notif_resp) uint8_t buffer[1024] = {};
  auto* response = reinterpret_cast<seccomp_notif_resp*>(buffer);
  response->id = id;
  if (error == kContinue) {
    response->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  } else {
    response->error = error;
  }
  return ioctl(listener.get(), SECCOMP_IOCTL_NOTIF_SEND, response) == 0;
}

void NotifyThread::process_ended(uint32_t listener_id, pid_t process) {
  const auto found = listeners_.find(listener_id);
  if (found == listeners_.end()) return;
  Listener& listener = found->second;
  if (const ProcessInfo* info = listener.processes.peek(process)) {
    event_ = "\"type\":\"process.exit\"";
    append_key(event_, "pid");
    append_number(event_, info->pid);
    append_key(event_, "ppid");
    append_number(event_, info->ppid);
    append_key(event_, "comm");
    append_json_string(event_, info->comm);
    append_key(event_, "exe");
    append_json_string(event_, info->exe);
    if (const auto status = listener.processes.exit_status_of(process)) append_exit_status(event_, *status);
    append_program(*listener.supervision);
    listener.supervision->record->append(event_, false, task_key(listener_id, process));
    flush_later();
  }
  listener.processes.erase(process);
  if (listener.ended && listener.processes.empty()) listeners_.erase(found);
}

// A task lets go of its filter before its pidfd tells of its end (do_exit() since Linux 6.11): the processes are waited for.
void NotifyThread::let_go(uint32_t listener_id) {
  const auto found = listeners_.find(listener_id);
  if (found == listeners_.end()) return;
  Listener& listener = found->second;
  listener.ended = true;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener.fd->get(), nullptr);
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(held_, [&](const auto& held) { return held.second.fd == listener.fd; });
  }
  if (listener.processes.empty()) listeners_.erase(found);
}

// A timer of its own, set once an interval: as a timeout of epoll_wait it would be set and taken down for every call.
void NotifyThread::flush_later() {
  if (unflushed_) return;
  unflushed_ = true;
  const itimerspec once = {{}, {0, kFlushIntervalMs * 1000000L}};
  timerfd_settime(flush_timer_.get(), 0, &once, nullptr);
}

void NotifyThread::flush_all() {
  uint64_t expirations;
  (void)!read(flush_timer_.get(), &expirations, sizeof expirations);
  for (auto& [id, listener] : listeners_) listener.supervision->record->flush();
  unflushed_ = false;
}

sys::ThreadOfProcess<NotifyThread> notify_thread;

}  // namespace

int supervise(Fd listener, std::shared_ptr<Supervision> supervision) {
  if (const int error = notify_thread.open(); error != 0) return error;
  return notify_thread.get()->add(std::move(listener), std::move(supervision));
}

void answer(uint64_t key, int error) {
  if (NotifyThread* thread = notify_thread.get()) thread->answer_held(key, error);
}

void drain(const std::shared_ptr<Record>& record) {
  if (NotifyThread* thread = notify_thread.get()) {
    thread->drain(record);
  } else {
    record->flush();
  }
}

}  // namespace skillbox
