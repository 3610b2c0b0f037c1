#include "launch_plan.h"

namespace skillbox {

namespace {

constexpr uint32_t kLaunchMagic = 0x31504253;   // "SBP1"
constexpr uint32_t kProcessMagic = 0x31585853;  // "SXX1"

// Reads until something does not fit; from then on everything is zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && position_ == bytes_.size(); }
  void fail() { ok_ = false; }

  uint64_t number(size_t width) {
    if (!has(width)) return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) value |= static_cast<uint64_t>(bytes_[position_ + i]) << (8 * i);
    position_ += width;
    return value;
  }
  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  uint32_t u32() { return static_cast<uint32_t>(number(4)); }
  uint64_t u64() { return number(8); }
  bool boolean() {
    const uint8_t value = u8();
    if (value > 1) fail();
    return value == 1;
  }

  // Length, bytes, and a NUL that is not counted.
  const uint8_t* data(uint32_t* length) {
    *length = u32();
    if (!has(static_cast<size_t>(*length) + 1) || bytes_[position_ + *length] != 0) {
      fail();
      *length = 0;
      return reinterpret_cast<const uint8_t*>("");
    }
    const uint8_t* start = bytes_.data() + position_;
    position_ += *length + 1;
    return start;
  }

  // As data(), and without a NUL inside.
  const char* string() {
    uint32_t length;
    const auto* start = reinterpret_cast<const char*>(data(&length));
    if (strnlen(start, length) != length) fail();
    return ok_ ? start : "";
  }

  uint32_t count(size_t limit) {
    const uint32_t value = u32();
    if (value > limit) fail();
    return ok_ ? value : 0;
  }

 private:
  bool has(size_t length) {
    if (!ok_ || bytes_.size() - position_ < length) ok_ = false;
    return ok_;
  }

  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

Source read_source(Reader& in) {
  Source source = {};
  source.path = in.string();
  const uint8_t kind = in.u8();
  if (kind > static_cast<uint8_t>(SourceKind::device)) in.fail();
  source.kind = static_cast<SourceKind>(kind);
  source.idmapped = in.boolean();
  if (source.path[0] != '/') in.fail();
  return source;
}

Operation read_operation(Reader& in, size_t source_count) {
  Operation operation = {};
  const uint8_t kind = in.u8();
  if (kind < static_cast<uint8_t>(OperationKind::directory) || kind > static_cast<uint8_t>(OperationKind::read_only)) {
    in.fail();
  }
  operation.kind = static_cast<OperationKind>(kind);
  operation.optional = in.boolean();
  operation.target = in.string();
  operation.data = in.data(&operation.data_length);
  operation.source = in.u32();
  operation.upper = in.u32();
  operation.mode = in.u32();
  operation.attributes = in.u64();
  operation.size = in.u64();
  operation.inodes = in.u64();
  if (operation.target[0] != '/') in.fail();
  for (const uint32_t index : {operation.source, operation.upper}) {
    if (index != kNoSource && index >= source_count) in.fail();
  }
  const bool needs_source = operation.kind == OperationKind::bind || operation.kind == OperationKind::overlay_read ||
                            operation.kind == OperationKind::overlay_write;
  if (needs_source && operation.source == kNoSource) in.fail();
  return operation;
}

}  // namespace

Status decode_launch_plan(std::span<const uint8_t> bytes, LaunchPlan* plan) {
  Reader in(bytes);
  if (in.u32() != kLaunchMagic) in.fail();

  plan->hostname = in.string();
  plan->inside_uid = in.u32();
  plan->inside_gid = in.u32();
  plan->listener = in.boolean();
  plan->egress = in.boolean();
  uint32_t filter_bytes;
  plan->filter = in.data(&filter_bytes);
  if (filter_bytes % 8 != 0) in.fail();
  plan->filter_length = filter_bytes / 8;
  plan->source_count = in.count(kMaxSources);
  for (size_t i = 0; i < plan->source_count; i++) plan->sources[i] = read_source(in);
  plan->operation_count = in.count(kMaxOperations);
  for (size_t i = 0; i < plan->operation_count; i++) plan->operations[i] = read_operation(in, plan->source_count);

  plan->root_caller = in.boolean();
  plan->outside_uid = in.u32();
  plan->outside_gid = in.u32();
  plan->run_uid_base = in.u32();
  for (size_t i = 0; i < plan->source_count; i++) {
    plan->sources[i].device = in.u64();
    plan->sources[i].inode = in.u64();
    plan->sources[i].owner_uid = in.u32();
    plan->sources[i].owner_gid = in.u32();
  }
  plan->cgroup_file_count = in.count(kMaxCgroupFiles);
  for (size_t i = 0; i < plan->cgroup_file_count; i++) plan->cgroup_files[i] = in.string();
  plan->cgroup_directory = in.string();

  if (!in.at_end()) return failure_with(EBADMSG, "plan", "decode");
  return success();
}

Status decode_process_plan(std::span<const uint8_t> bytes, std::span<char*> pointers, ProcessPlan* plan) {
  Reader in(bytes);
  if (in.u32() != kProcessMagic) in.fail();
  plan->id = in.u32();
  plan->oneshot = in.boolean();
  plan->terminal = in.boolean();
  plan->terminal_rows = static_cast<uint16_t>(in.u32());
  plan->terminal_columns = static_cast<uint16_t>(in.u32());

  size_t used = 0;
  const auto strings = [&]() -> char** {
    const uint32_t count = in.count(bytes.size() / 5);
    if (used + count + 1 > pointers.size()) {
      in.fail();
      return nullptr;
    }
    char** start = &pointers[used];
    for (uint32_t i = 0; i < count; i++) pointers[used++] = const_cast<char*>(in.string());
    pointers[used++] = nullptr;
    return start;
  };
  plan->argv = strings();
  plan->environment = strings();

  plan->cwd = in.string();
  plan->candidate_count = in.count(sizeof plan->candidates / sizeof plan->candidates[0]);
  for (size_t i = 0; i < plan->candidate_count; i++) plan->candidates[i] = in.string();
  plan->umask = in.u32();
  plan->wall_time_ms = in.u64();
  plan->cpu_time_ms = in.u64();
  plan->rlimit_count = in.count(sizeof plan->rlimits / sizeof plan->rlimits[0]);
  for (size_t i = 0; i < plan->rlimit_count; i++) {
    plan->rlimits[i].resource = in.u32();
    plan->rlimits[i].soft = in.u64();
    plan->rlimits[i].hard = in.u64();
  }
  if (!in.at_end() || plan->argv == nullptr || plan->argv[0] == nullptr || plan->candidate_count == 0) {
    return failure_with(EBADMSG, "process", "decode");
  }
  return success();
}

}  // namespace skillbox
