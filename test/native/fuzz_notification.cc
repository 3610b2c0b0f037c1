// Decodes made-up system calls of a task whose memory is the input: what becomes of them has to be one line of JSON whose
// numbers no parser rounds.
//
// An input is a struct seccomp_data, a byte that is the length of the task's name, the name, and the memory from 0x1000 on. The
// tables and the view are those of the files in SKILLBOX_FUZZ_TABLES and SKILLBOX_FUZZ_VIEW, or where the input begins with
// "tables" or "view", what follows.
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "../../native/audit/bpf.h"
#include "../../native/audit/decode.h"
#include "json_line.h"

namespace {

using namespace skillbox;

constexpr uint64_t kBase = 0x1000;
std::string_view memory;

void must(bool ok, const std::string& line) {
  if (ok) return;
  fprintf(stderr, "%s\n", line.c_str());
  abort();
}

std::vector<uint8_t> read_file(const char* variable) {
  const char* path = getenv(variable);
  if (path == nullptr) {
    fprintf(stderr, "%s is not set\n", variable);
    exit(2);
  }
  std::ifstream file(path, std::ios::binary);
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(file), {});
}

AuditTables tables;
MountView view;

void try_decoders(const uint8_t* data, size_t size) {
  AuditTables other;
  if (other.decode({data, size})) (void)other.find(0);
  MountView elsewhere;
  if (elsewhere.decode({data, size})) (void)elsewhere.expects("/usr/../etc/./passwd", true);
}

}  // namespace

// The task's memory. Whole parts only, as process_vm_readv(2) has it; a part that begins within it is cut at its end.
extern "C" ssize_t process_vm_readv(pid_t, const struct iovec* local, unsigned long, const struct iovec* remote,
                                    unsigned long count, unsigned long) {
  size_t done = 0;
  auto* to = static_cast<char*>(local[0].iov_base);
  for (unsigned long i = 0; i < count; i++) {
    const auto address = reinterpret_cast<uint64_t>(remote[i].iov_base);
    if (address < kBase || address - kBase >= memory.size()) break;
    const size_t length = std::min({remote[i].iov_len, memory.size() - (address - kBase), local[0].iov_len - done});
    memcpy(to + done, memory.data() + (address - kBase), length);
    done += length;
    if (length < remote[i].iov_len) break;
  }
  if (done > 0) return static_cast<ssize_t>(done);
  errno = EFAULT;
  return -1;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  if (tables.decode(read_file("SKILLBOX_FUZZ_TABLES")) && view.decode(read_file("SKILLBOX_FUZZ_VIEW"))) return 0;
  fprintf(stderr, "the tables or the view are not decoded\n");
  exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try_decoders(data, size);
  seccomp_notif notification = {};
  if (size < sizeof notification.data + 1) return 0;
  memcpy(&notification.data, data, sizeof notification.data);
  notification.pid = static_cast<uint32_t>(getpid());
  std::string_view rest(reinterpret_cast<const char*>(data) + sizeof notification.data, size - sizeof notification.data);
  const std::string_view name = rest.substr(1, static_cast<uint8_t>(rest[0]));
  memory = rest.substr(1 + name.size());

  // Numbers that no table knows are the least of it.
  const SyscallSignature* signature = tables.find(notification.data.nr);
  if (signature == nullptr) signature = tables.find(static_cast<int>(static_cast<uint32_t>(notification.data.nr) % 512));
  const ProcessInfo process = {getpid(), 2, 1, std::string(name), "/usr/bin/" + std::string(name)};
  const TaskInfo task = {&process, name.size() % 2 == 0 ? 2u : 3u};
  const Call call = {notification, signature, task};
  std::string line = "{";
  const Decoded decoded = append_call(line, call, tables, view);
  append_expectation(line, call, decoded);
  line += '}';
  must(is_json_line(line), line);
  // 512 KiB of the task's strings, each byte six characters, and lists of lengths.
  must(line.size() < 4u << 20, "too long");

  sock_filter program[32];
  const size_t length = std::min(memory.size() / sizeof(sock_filter), std::size(program));
  memcpy(program, memory.data(), length * sizeof(sock_filter));
  (void)run_filter({program, length}, notification.data);
  return 0;
}
