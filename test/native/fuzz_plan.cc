// Throws bytes at the decoders of the launch plan and of the process plan: what they take has to be whole, and every
// pointer in it has to lie within the bytes.
#include <stdint.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "../../native/init/launch_plan.h"

namespace {

using namespace skillbox;

void must(bool ok) {
  if (!ok) abort();
}

struct Bytes {
  const uint8_t* data;
  size_t size;

  // With its NUL, within the bytes; or the decoder's own "".
  void hold(const char* string) const {
    must(string != nullptr);
    const auto* start = reinterpret_cast<const uint8_t*>(string);
    if (start < data || start >= data + size) {
      must(string[0] == '\0');
      return;
    }
    must(memchr(start, 0, static_cast<size_t>(data + size - start)) != nullptr);
  }
  void hold(const uint8_t* start, size_t length) const {
    if (length > 0) must(start >= data && length <= static_cast<size_t>(data + size - start));
  }
};

void try_launch_plan(const Bytes& bytes) {
  static const auto plan = std::make_unique<LaunchPlan>();
  *plan = {};
  if (!decode_launch_plan({bytes.data, bytes.size}, plan.get()).ok()) return;
  bytes.hold(plan->hostname);
  bytes.hold(plan->filter, plan->filter_length * 8);
  must(plan->source_count <= kMaxSources && plan->operation_count <= kMaxOperations);
  for (size_t i = 0; i < plan->source_count; i++) {
    bytes.hold(plan->sources[i].path);
    must(plan->sources[i].path[0] == '/');
    must(plan->sources[i].kind <= SourceKind::device);
  }
  for (size_t i = 0; i < plan->operation_count; i++) {
    const Operation& operation = plan->operations[i];
    bytes.hold(operation.target);
    bytes.hold(operation.data, operation.data_length + size_t{1});
    must(operation.data[operation.data_length] == 0);
    must(operation.target[0] == '/');
    must(operation.kind >= OperationKind::directory && operation.kind <= OperationKind::read_only);
    must(operation.source == kNoSource || operation.source < plan->source_count);
    must(operation.upper == kNoSource || operation.upper < plan->source_count);
  }
  must(plan->cgroup_file_count <= kMaxCgroupFiles);
  for (size_t i = 0; i < plan->cgroup_file_count; i++) bytes.hold(plan->cgroup_files[i]);
  bytes.hold(plan->cgroup_directory);
}

void try_process_plan(const Bytes& bytes) {
  // As many as the decoder asks for, and no more: what goes beyond is seen.
  std::vector<char*> pointers(bytes.size / 5 + 2);
  ProcessPlan plan = {};
  if (!decode_process_plan({bytes.data, bytes.size}, pointers, &plan).ok()) return;
  must(plan.argv[0] != nullptr && plan.candidate_count > 0);
  for (char** list : {plan.argv, plan.environment}) {
    for (; *list != nullptr; list++) bytes.hold(*list);
  }
  bytes.hold(plan.cwd);
  for (size_t i = 0; i < plan.candidate_count; i++) bytes.hold(plan.candidates[i]);
  must(plan.rlimit_count <= 16);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try_launch_plan({data, size});
  try_process_plan({data, size});
  return 0;
}
