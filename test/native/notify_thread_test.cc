// The notify thread and the record as the supervisor uses them, from many threads at once: for ThreadSanitizer.
//
//     notify_thread_test TABLES VIEW RECORD
//
// Children under filters of their own make calls that are allowed, refused and held, in several threads each, while other threads write
// events, flush, ask for the state, answer held calls and drain. Prints what was made and what was recorded, and ends with
// status 1 where they differ.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "../../native/audit/notify_thread.h"
#include "../../native/sys/fd_passing.h"

namespace {

using namespace skillbox;

constexpr int kChildren = 6;
constexpr int kThreads = 4;
constexpr int kCalls = 300;
constexpr int kWriters = 3;
constexpr int kWritten = 2000;

[[noreturn]] void die(const char* what) {
  perror(what);
  _exit(2);
}

std::vector<uint8_t> read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(file), {});
}

// getpriority is recorded, mkdirat refused with EXDEV, connect judged.
std::vector<sock_filter> filter(uint32_t refusal) {
  return {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
      {BPF_JMP | BPF_JEQ | BPF_K, 3, 0, SYS_getpriority},
      {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, SYS_connect},
      {BPF_JMP | BPF_JEQ | BPF_K, 2, 0, SYS_mkdirat},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF},
      {BPF_RET | BPF_K, 0, 0, refusal},
  };
}

void* call(void*) {
  for (int i = 0; i < kCalls; i++) {
    (void)syscall(SYS_getpriority, 0, 0);
    if (syscall(SYS_mkdirat, AT_FDCWD, "/nowhere/at all", 0700) != -1 || errno != EXDEV) _exit(3);
    if (i % 10 != 0) continue;
    const int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in peer = {};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(static_cast<uint16_t>(1000 + i));
    inet_pton(AF_INET, "192.0.2.1", &peer.sin_addr);
    // The supervisor says so.
    errno = 0;
    const int made = connect(socket_fd, reinterpret_cast<sockaddr*>(&peer), sizeof peer);
    if (made != -1 || errno != ENETUNREACH) {
      fprintf(stderr, "connect() of socket %d gave %d, %s\n", socket_fd, made, strerrorname_np(errno));
      _exit(4);
    }
    close(socket_fd);
  }
  return nullptr;
}

[[noreturn]] void child(int control) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  auto program = filter(SECCOMP_RET_USER_NOTIF);
  const sock_fprog loaded = {static_cast<unsigned short>(program.size()), program.data()};
  const int listener =
      static_cast<int>(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &loaded));
  if (listener < 0) die("seccomp");
  const uint8_t byte = 0;
  if (!send_message(control, {&byte, 1}, {{listener}})) die("send");
  close(listener);
  uint8_t go;
  if (read(control, &go, 1) != 1) die("read");
  pthread_t threads[kThreads];
  for (pthread_t& thread : threads) {
    if (pthread_create(&thread, nullptr, call, nullptr) != 0) die("pthread_create");
  }
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  _exit(7);
}

// Held calls on their way to the thread that answers them, as the addon's queue to JavaScript.
class Answers {
 public:
  void put(HeldCall&& held) {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(held));
    ready_.notify_one();
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    ready_.notify_one();
  }
  void run(Record& record) {
    for (;;) {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return ended_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const HeldCall held = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      record.append(held.members + ",\"verdict\":\"deny\",\"errno\":\"ENETUNREACH\"", true);
      answer(held.key, ENETUNREACH);
      answer(held.key, 0);  // of a call that is answered
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<HeldCall> queue_;
  bool ended_ = false;
};

uint64_t count(const std::string& text, const char* what) {
  uint64_t found = 0;
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at++) found++;
  return found;
}

// With those that one line stands for.
uint64_t count_refused(const std::string& text) {
  uint64_t found = count(text, "\"syscall\":\"mkdirat\"");
  constexpr char repeated[] = "\"errno\":\"EXDEV\",\"repeated\":";
  for (size_t at = 0; (at = text.find(repeated, at)) != std::string::npos; at++) {
    found += strtoull(text.c_str() + at + sizeof repeated - 1, nullptr, 10) - 1;
  }
  return found;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  auto tables = std::make_shared<AuditTables>();
  MountView view;
  if (!tables->decode(read_file(argv[1])) || !view.decode(read_file(argv[2]))) return 2;

  // Before any thread is there.
  int controls[kChildren];
  for (int& control : controls) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) die("socketpair");
    const pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
      close(pair[0]);
      child(pair[1]);
    }
    close(pair[1]);
    control = pair[0];
  }

  const auto record = std::make_shared<Record>(Fd(open(argv[3], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)),
                                               RecordOptions{.run = "run", .max_bytes = 0, .stop_on_failure = true});
  std::atomic<uint64_t> copied = 0;
  record->set_listener([&](std::string&& lines) { copied += count(lines, "\n"); });
  Answers answers;
  std::thread answering([&] { answers.run(*record); });
  for (const int control : controls) {
    uint8_t byte;
    int listener = -1;
    if (receive_message(control, {&byte, 1}, {&listener, 1}).length != 1 || listener < 0) die("receive");
    auto supervision = std::make_shared<Supervision>();
    supervision->record = record;
    supervision->tables = tables;
    supervision->view = view;
    supervision->verdicts = filter(SECCOMP_RET_ERRNO | EXDEV);
    supervision->on_held = [&](HeldCall&& held) { answers.put(std::move(held)); };
    supervise(Fd(listener), std::move(supervision));
    if (write(control, "", 1) != 1) die("write");
  }

  std::vector<std::thread> others;
  for (int n = 0; n < kWriters; n++) {
    others.emplace_back([&, n] {
      for (int i = 0; i < kWritten; i++) {
        record->append("\"type\":\"net.dns\",\"writer\":" + std::to_string(n) + ",\"n\":" + std::to_string(i),
                       i % 7 == 0);
      }
    });
  }
  std::atomic<bool> done = false;
  others.emplace_back([&] {
    while (!done) {
      (void)record->status();
      record->flush();
      answer(UINT64_MAX, 0);  // of a call that never was
      drain(record);
    }
  });

  bool ok = true;
  for (int i = 0; i < kChildren; i++) {
    int status = 0;
    if (wait(&status) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 7) {
      fprintf(stderr, "a child ended with %x\n", status);
      ok = false;
    }
  }
  done = true;
  for (std::thread& other : others) other.join();
  drain(record);
  answers.end();
  answering.join();
  record->settle();
  record->close("\"type\":\"run.end\"");

  const std::vector<uint8_t> bytes = read_file(argv[3]);
  const std::string text(bytes.begin(), bytes.end());
  const RecordStatus state = record->status();
  constexpr uint64_t made = kChildren * kThreads * kCalls;
  const auto same = [&](const char* what, uint64_t is, uint64_t wanted) {
    printf("%s: %llu of %llu\n", what, static_cast<unsigned long long>(is), static_cast<unsigned long long>(wanted));
    if (is != wanted) ok = false;
  };
  same("allowed calls", count(text, "\"syscall\":\"getpriority\""), made);
  same("refused calls", count_refused(text), made);
  same("held calls", count(text, "\"syscall\":\"connect\""), made / 10);
  same("events of other threads", count(text, "\"writer\":"), kWriters * kWritten);
  same("ends of processes", count(text, "\"type\":\"process.exit\""), kChildren);
  same("exit statuses", count(text, "\"exitCode\":7"), kChildren);
  same("lines", state.events, count(text, "\n"));
  same("copies", copied, state.events);
  same("dropped", state.dropped, 0);
  return ok ? 0 : 1;
}
