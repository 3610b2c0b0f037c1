// What skillbox-init says to its supervisor over the control socket: one SOCK_SEQPACKET message each.
#pragma once

#include <cstdint>
#include <span>

#include "../sys/status.h"

namespace skillbox {

enum class Report : uint32_t {
  error = 1,        // stage, op, subject, errno: the sandbox is not coming up
  spawned = 2,      // pid of PID 1 in the supervisor's namespace, uid outside; carries its pidfd
  upper = 3,        // index of the overlay operation; carries the upper directory
  ready = 4,        // the layers that were confirmed
  listener = 5,     // process id; carries the seccomp listener
  exec_failed = 6,  // process id, stage, op, subject, errno
  exited = 7,       // see ExitReport
  resolver = 8,     // carries the sockets on port 53: UDP v4, UDP v6, TCP v4, TCP v6
  sockets = 9,      // family, type; carries unbound sockets of the sandbox's network namespace
  opened = 10,      // request id, errno; carries the file where that is 0
  terminal = 11,    // process id; carries the master end of its terminal
};

enum class Request : uint32_t {
  exec = 1,     // carries the process plan (memfd) and, unless that asks for a terminal, descriptors 0, 1, 2
  signal = 2,   // process id, signal, whole group
  sockets = 3,  // family, type, count
  open = 4,     // request id, 0: to read or 1: to write, path
};

enum class ExitReason : uint32_t { own = 0, wall_time = 1, cpu_time = 2 };

struct ExitReport {
  uint32_t process;
  uint32_t code;    // as si_code of waitid(2): CLD_EXITED, CLD_KILLED, CLD_DUMPED
  uint32_t status;  // exit status or signal
  ExitReason reason;
  uint64_t wall_us;
  uint64_t user_us;  // of the whole tree, as far as it was waited for
  uint64_t system_us;
  uint64_t max_rss_bytes;  // of the largest process
};

// Appends to a fixed buffer; what does not fit is cut.
class ReportWriter {
 public:
  explicit ReportWriter(Report type) { u32(static_cast<uint32_t>(type)); }
  void u32(uint32_t value) { number(value, 4); }
  void u64(uint64_t value) { number(value, 8); }
  void string(const char* text);
  bool send(int control, std::span<const int> fds = {}) const;

 private:
  void number(uint64_t value, int width);

  uint8_t bytes_[8192];
  size_t length_ = 0;
};

// Nobody waits for another word after this one: PID 1 ends, which tells as much.
void report_error(int control, const Status& status);
// False: it could not be sent, and somebody may wait for it for ever.
bool report_exec_failed(int control, uint32_t process, const Status& status);
bool report_exited(int control, const ExitReport& exit);

}  // namespace skillbox
