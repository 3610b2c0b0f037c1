#include "tables.h"

#include <cstring>

namespace skillbox {

namespace {

constexpr uint32_t kMagic = 0x31544153;
constexpr uint32_t kMaxSyscallNumber = 2047;

class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  bool at_end() const { return ok_ && position_ == bytes_.size(); }
  bool ok() const { return ok_; }
  void fail() { ok_ = false; }

  uint64_t number(size_t width) {
    if (!ok_ || bytes_.size() - position_ < width) {
      ok_ = false;
      return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++) value |= static_cast<uint64_t>(bytes_[position_ + i]) << (8 * i);
    position_ += width;
    return value;
  }
  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  // Each item takes at least a byte, so a count above what is left is wrong.
  size_t count() {
    const uint64_t value = number(4);
    if (value > bytes_.size() - position_) ok_ = false;
    return ok_ ? value : 0;
  }
  std::string string() {
    const size_t length = count();
    std::string text(reinterpret_cast<const char*>(bytes_.data() + position_), length);
    position_ += length;
    if (u8() != 0) ok_ = false;
    return text;
  }

 private:
  std::span<const uint8_t> bytes_;
  size_t position_ = 0;
  bool ok_ = true;
};

NameTable read_names(Reader& in) {
  NameTable table;
  table.enumeration = in.u8() == 1;
  for (size_t n = in.count(); n > 0 && in.ok(); n--) {
    NamedValue value;
    value.name = in.string();
    value.value = in.number(8);
    value.mask = in.number(8);
    table.values.push_back(std::move(value));
  }
  return table;
}

SyscallSignature read_syscall(Reader& in) {
  SyscallSignature signature;
  signature.name = in.string();
  signature.type = in.string();
  for (size_t n = in.count(); n > 0 && in.ok(); n--) {
    ArgumentSignature argument;
    argument.name = in.string();
    argument.index = in.u8();
    const uint8_t kind = in.u8();
    if (kind > static_cast<uint8_t>(ArgumentKind::last) || argument.index > 5) in.fail();
    argument.kind = static_cast<ArgumentKind>(kind);
    argument.aux = in.u8();
    argument.aux2 = in.u8();
    signature.arguments.push_back(std::move(argument));
  }
  return signature;
}

}  // namespace

bool AuditTables::decode(std::span<const uint8_t> bytes) {
  Reader in(bytes);
  if (in.number(4) != kMagic) in.fail();
  for (size_t n = in.count(); n > 0 && in.ok(); n--) names_.push_back(read_names(in));
  for (size_t n = in.count(); n > 0 && in.ok(); n--) {
    const auto number = static_cast<uint32_t>(in.number(4));
    SyscallSignature signature = read_syscall(in);
    if (number > kMaxSyscallNumber) {
      in.fail();
      break;
    }
    if (syscalls_.size() <= number) syscalls_.resize(number + 1);
    syscalls_[number] = std::move(signature);
  }
  if (in.at_end()) return true;
  names_.clear();
  syscalls_.clear();
  return false;
}

const SyscallSignature* AuditTables::find(int number) const {
  if (number < 0 || static_cast<size_t>(number) >= syscalls_.size()) return nullptr;
  const SyscallSignature& signature = syscalls_[static_cast<size_t>(number)];
  return signature.name.empty() ? nullptr : &signature;
}

}  // namespace skillbox
