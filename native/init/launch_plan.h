// The launch plan as it crosses from TypeScript (src/plan/encode.ts) into skillbox-init: little endian, every
// string with its length and a closing NUL, decoded in place. The bytes come from our own supervisor over a sealed
// memfd, but the decoder trusts none of them: a wrong length is an error, never a read out of bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../sys/status.h"

namespace skillbox {

inline constexpr size_t kMaxSources = 1024;
inline constexpr size_t kMaxOperations = 4096;
inline constexpr size_t kMaxCgroupFiles = 16;
inline constexpr uint32_t kNoSource = 0xffffffff;

enum class SourceKind : uint8_t { any = 0, directory = 1, file = 2, device = 3 };

// A path of the host that becomes visible inside. The numbers are what the supervisor saw when it resolved the path.
struct Source {
  const char* path;
  SourceKind kind;
  bool idmapped;  // for a root caller: present the files as the program's own
  uint64_t device;
  uint64_t inode;
  uint32_t owner_uid;
  uint32_t owner_gid;
};

enum class OperationKind : uint8_t {
  directory = 1,
  file = 2,
  symlink = 3,
  bind = 4,
  tmpfs = 5,
  proc = 6,
  devpts = 7,
  overlay_read = 8,   // read-only overlay: sockets and FIFOs below it are inert
  overlay_write = 9,  // copy-on-write
  mask = 10,
  read_only = 11,
};

struct Operation {
  OperationKind kind;
  bool optional;        // a target that does not exist is skipped
  const char* target;   // absolute, inside
  const uint8_t* data;  // file content, link target or upper directory's index; NUL-terminated
  uint32_t data_length;
  uint32_t source;  // index, or kNoSource
  uint32_t upper;   // overlay_write: index of the source that holds upper and work, or kNoSource for tmpfs
  uint32_t mode;
  uint64_t attributes;  // MOUNT_ATTR_*
  uint64_t size;        // tmpfs: bytes
  uint64_t inodes;      // tmpfs
};

struct LaunchPlan {
  const char* hostname;
  uint32_t inside_uid;
  uint32_t inside_gid;
  bool listener;           // ask for a seccomp listener with each program
  bool egress;             // every address leads to the supervisor's sockets
  const uint8_t* filter;   // struct sock_filter[]
  uint32_t filter_length;  // in instructions
  size_t source_count;
  Source sources[kMaxSources];
  size_t operation_count;
  Operation operations[kMaxOperations];

  // Facts of this run.
  bool root_caller;
  uint32_t outside_uid;  // of an unprivileged caller
  uint32_t outside_gid;
  uint32_t run_uid_base;  // of a root caller: the run's uid is this plus the pid of PID 1
  size_t cgroup_file_count;
  const char* cgroup_files[kMaxCgroupFiles];  // cgroup.procs files to enter before the clone
  const char* cgroup_directory;               // cgroup v2: clone into it; "" for none
};

// A program to start in the sandbox.
struct ProcessPlan {
  uint32_t id;
  bool oneshot;   // the sandbox ends with this program
  bool terminal;  // of its own, for descriptors 0 to 2
  uint16_t terminal_rows;
  uint16_t terminal_columns;
  char** argv;  // NULL-terminated, points into the message
  char** environment;
  const char* cwd;
  size_t candidate_count;  // absolute paths to try, in order
  const char* candidates[64];
  uint32_t umask;
  uint64_t wall_time_ms;  // 0: none
  uint64_t cpu_time_ms;   // 0: none
  size_t rlimit_count;
  struct {
    uint32_t resource;
    uint64_t soft;
    uint64_t hard;
  } rlimits[16];
};

// The plan keeps pointing into `bytes`.
Status decode_launch_plan(std::span<const uint8_t> bytes, LaunchPlan* plan);
// `pointers` takes argv and environment: at least as many as `bytes.size() / 5 + 2`.
Status decode_process_plan(std::span<const uint8_t> bytes, std::span<char*> pointers, ProcessPlan* plan);

}  // namespace skillbox
