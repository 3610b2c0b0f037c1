// What each system call is called and how its arguments are read: data that TypeScript makes (src/audit/encode-tables.ts),
// since it is the same for documentation, reader and native code.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace skillbox {

enum class ArgumentKind : uint8_t {
  signed_number = 0,
  number = 1,
  fd = 2,
  dirfd = 3,
  path = 4,
  flags = 5,
  enumeration = 6,
  mode = 7,
  sockaddr = 8,
  strings = 9,
  string = 10,
  open_how = 11,
  signal = 12,
  msghdr = 13,
  flags32 = 14,
  size = 15,
  clone_args = 16,
  rlimit = 17,
  id = 18,
  keyed = 19,
  last = keyed,
};

struct NamedValue {
  std::string name;
  uint64_t value;
  uint64_t mask;
};

struct NameTable {
  bool enumeration;
  std::vector<NamedValue> values;
};

struct ArgumentSignature {
  std::string name;
  uint8_t index;
  ArgumentKind kind;
  uint8_t aux;
  uint8_t aux2;
};

struct SyscallSignature {
  std::string name;
  std::string type;
  std::vector<ArgumentSignature> arguments;
};

class AuditTables {
 public:
  // False when the bytes are not what they should be; the tables are empty then.
  bool decode(std::span<const uint8_t> bytes);

  // Null for a number that no table knows.
  const SyscallSignature* find(int number) const;
  const NameTable* names(uint8_t table) const { return table < names_.size() ? &names_[table] : nullptr; }

 private:
  std::vector<NameTable> names_;
  std::vector<SyscallSignature> syscalls_;  // by number
};

}  // namespace skillbox
