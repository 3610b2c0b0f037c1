#include "decode.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/openat2.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <string_view>

#include "json.h"

namespace skillbox {

namespace {

constexpr size_t kLongestText = 4096;
constexpr size_t kMostStrings = 256;
// Of argument vectors longer than that the length is counted up to here.
constexpr size_t kMostCounted = 8192;
// What we read of a program's strings for one call, all together: it decides how long others wait for us.
constexpr size_t kMostRead = 512 * 1024;
constexpr uint8_t kRelativeToCwd = 255;
constexpr uint64_t kWriteFlags = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

class EventWriter {
 public:
  EventWriter(std::string& out, const Call& call, const AuditTables& tables, const MountView& view)
      : out_(out), call_(call), tables_(tables), view_(view), memory_(static_cast<pid_t>(call.notification.pid)) {}

  Decoded write_arguments() {
    writes_ = writes();
    append_key(out_, "args");
    out_ += '{';
    bool first = true;
    if (call_.signature != nullptr) {
      for (const ArgumentSignature& argument : call_.signature->arguments) {
        if (is_unused_mode(argument)) continue;
        if (!first) out_ += ',';
        first = false;
        append_json_string(out_, argument.name);
        out_ += ':';
        write_argument(argument);
      }
    }
    out_ += '}';
    return std::move(decoded_);
  }

 private:
  uint64_t raw(uint8_t index) const { return call_.notification.data.args[std::min<uint8_t>(index, 5)]; }

  // Without O_CREAT or O_TMPFILE the mode is whatever lies in the register.
  bool is_unused_mode(const ArgumentSignature& argument) const {
    if (argument.kind != ArgumentKind::mode || argument.aux > 5) return false;
    return (raw(argument.aux) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) == 0;
  }

  // Opens say by their flags, other calls on files by what they are.
  bool writes() const {
    if (call_.signature == nullptr) return false;
    const std::string& type = call_.signature->type;
    if (type != "file.open") return type.starts_with("file.");
    if (call_.signature->name == "creat") return true;
    for (const ArgumentSignature& argument : call_.signature->arguments) {
      if (argument.name == "flags" && argument.kind != ArgumentKind::open_how) {
        return (raw(argument.index) & kWriteFlags) != 0;
      }
      if (argument.kind == ArgumentKind::open_how) {
        open_how how = {};
        return memory_.read(raw(argument.index), &how, sizeof how) == 0 && (how.flags & kWriteFlags) != 0;
      }
    }
    return false;
  }

  void write_argument(const ArgumentSignature& argument) {
    const uint64_t value = raw(argument.index);
    switch (argument.kind) {
      case ArgumentKind::signed_number:
      case ArgumentKind::fd:
        return append_signed(out_, static_cast<int32_t>(value));
      case ArgumentKind::number:
      case ArgumentKind::size:
        return append_exact(out_, value);
      case ArgumentKind::dirfd:
        if (static_cast<int32_t>(value) == AT_FDCWD) {
          out_ += "\"AT_FDCWD\"";
          return;
        }
        return append_signed(out_, static_cast<int32_t>(value));
      case ArgumentKind::path:
        return write_path(value, argument);
      case ArgumentKind::flags:
        return write_flags(value, argument.aux);
      case ArgumentKind::flags32:
        return write_flags(static_cast<uint32_t>(value), argument.aux);
      case ArgumentKind::enumeration:
      case ArgumentKind::signal:
        return write_enumeration(value, argument.aux);
      case ArgumentKind::keyed:
        return write_keyed(value, argument);
      case ArgumentKind::mode: {
        char text[16];
        snprintf(text, sizeof text, "\"%04o\"", static_cast<unsigned>(value & 07777));
        out_ += text;
        return;
      }
      case ArgumentKind::sockaddr:
        return write_sockaddr(value, static_cast<socklen_t>(raw(argument.aux)), argument.aux2);
      case ArgumentKind::msghdr: {
        msghdr message = {};
        if (const int error = memory_.read(value, &message, sizeof message)) return write_unreadable(error);
        return write_sockaddr(reinterpret_cast<uint64_t>(message.msg_name), message.msg_namelen, argument.aux2);
      }
      case ArgumentKind::strings:
        return write_strings(value);
      case ArgumentKind::string:
        return write_string(value);
      case ArgumentKind::open_how:
        return write_open_how(value, argument);
      case ArgumentKind::clone_args: {
        uint64_t flags = 0;
        if (const int error = memory_.read(value, &flags, sizeof flags)) return write_unreadable(error);
        return write_flags(flags, argument.aux);
      }
      case ArgumentKind::rlimit:
        return write_rlimit(value);
      case ArgumentKind::id:
        return append_number(out_, static_cast<uint32_t>(value));
    }
  }

  void write_unreadable(int error) {
    out_ += "{\"unreadable\":\"";
    out_ += errno_name(error);
    out_ += "\"}";
  }

  void write_text(const std::string& text, size_t length) {
    if (length == text.size()) return append_json_string(out_, text);
    out_ += "{\"text\":";
    append_json_string(out_, text);
    out_ += ",\"length\":";
    append_number(out_, length);
    out_ += '}';
  }

  void write_string(uint64_t address) {
    if (address == 0) {
      out_ += "null";
      return;
    }
    std::string text;
    size_t length;
    if (const int error = read_string(address, &text, &length)) return write_unreadable(error);
    write_text(text, length);
  }

  int read_string(uint64_t address, std::string* text, size_t* length) {
    const int error = memory_.read_string(address, kLongestText, kMostRead - read_, text, length);
    read_ += std::min(*length, kMostRead - read_);
    return error;
  }

  // A path as it was given and, where that was relative, as it is from the sandbox's root.
  void write_path(uint64_t address, const ArgumentSignature& argument) {
    const uint8_t dirfd_index = argument.aux;
    if (address == 0) {
      out_ += "null";
      return;
    }
    std::string given;
    size_t length;
    if (const int error = read_string(address, &given, &length)) return write_unreadable(error);
    if (given.starts_with('/')) {
      if (length == given.size()) expect(normalize(given));
      return write_text(given, length);
    }
    const bool from_cwd = dirfd_index == kRelativeToCwd || static_cast<int32_t>(raw(dirfd_index)) == AT_FDCWD;
    const std::string base = from_cwd ? link_of("cwd") : link_of_fd(static_cast<int32_t>(raw(dirfd_index)));
    if (!base.starts_with('/') || length != given.size()) return write_text(given, length);
    const std::string path = given.empty() ? base : normalize(base + '/' + given);
    expect(path);
    append_json_string(out_, path);
    append_key(out_, argument.name == "path" ? "given" : argument.name + ".given");
    append_json_string(out_, given);
  }

  void expect(const std::string& path) {
    decoded_.path = path;
    if (!view_.expects(path, writes_)) decoded_.path_expected = false;
  }

  // The kernel shows the link from the root of the sandbox's mount namespace, which is the sandbox's root.
  std::string link_of(const char* name) const {
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/%s", call_.notification.pid, name);
    char target[4096];
    const ssize_t length = readlink(path, target, sizeof target);
    return length <= 0 ? std::string() : std::string(target, static_cast<size_t>(length));
  }

  std::string link_of_fd(int fd) const {
    char name[32];
    snprintf(name, sizeof name, "fd/%d", fd);
    return link_of(name);
  }

  void write_flags(uint64_t value, uint8_t table) {
    out_ += '[';
    bool first = true;
    const auto add = [&](std::string_view name) {
      if (!first) out_ += ',';
      first = false;
      append_json_string(out_, name);
    };
    if (const NameTable* names = tables_.names(table)) {
      for (const NamedValue& named : names->values) {
        if (named.mask == 0 || (value & named.mask) != named.value) continue;
        add(named.name);
        value &= ~named.mask;
      }
    }
    // Bits that no table names, as a number.
    if (value != 0) {
      if (!first) out_ += ',';
      append_exact(out_, value);
    }
    out_ += ']';
  }

  void write_enumeration(uint64_t value, uint8_t table) {
    if (const NameTable* names = tables_.names(table)) {
      for (const NamedValue& named : names->values) {
        // The kernel takes most of them as int.
        if (named.value == value || static_cast<uint32_t>(named.value) == static_cast<uint32_t>(value)) {
          return append_json_string(out_, named.name);
        }
      }
    }
    append_exact_signed(out_, static_cast<int64_t>(value));
  }

  // What a number means depends on another argument; both are ints to the kernel.
  void write_keyed(uint64_t value, const ArgumentSignature& argument) {
    const auto number = static_cast<uint32_t>(value);
    if (const NameTable* names = tables_.names(argument.aux)) {
      const uint64_t wanted = (raw(argument.aux2) & UINT32_MAX) << 32 | number;
      for (const NamedValue& named : names->values) {
        if (named.value == wanted) return append_json_string(out_, named.name);
      }
    }
    append_signed(out_, static_cast<int32_t>(number));
  }

  void write_strings(uint64_t address) {
    const size_t start = out_.size();
    size_t count = 0;
    size_t written = 0;
    bool ended = address == 0;
    while (!ended && count < kMostCounted) {
      // Up to the end of the page: the vector may end with the last one that is there.
      uint64_t pointers[64];
      const size_t room = (4096 - address % 4096) / sizeof(uint64_t);
      const size_t wanted = std::clamp<size_t>(room, 1, std::size(pointers));
      if (const int error = memory_.read(address, pointers, wanted * sizeof(uint64_t))) {
        if (count == 0) return write_unreadable(error);
        break;
      }
      for (size_t i = 0; i < wanted && !ended; i++) {
        ended = pointers[i] == 0;
        if (ended) break;
        if (count == written && written < kMostStrings && read_ < kMostRead) {
          if (written > 0) out_ += ',';
          write_string(pointers[i]);
          written++;
        }
        count++;
      }
      address += wanted * sizeof(uint64_t);
    }
    const bool whole = ended && written == count;
    out_.insert(start, whole ? "[" : "{\"items\":[");
    out_ += ']';
    if (whole) return;
    append_key(out_, "length");
    append_number(out_, count);
    out_ += '}';
  }

  void write_open_how(uint64_t address, const ArgumentSignature& argument) {
    open_how how = {};
    if (const int error = memory_.read(address, &how, sizeof how)) return write_unreadable(error);
    out_ += "{\"flags\":";
    write_flags(how.flags, argument.aux);
    if (how.mode != 0 || (how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) != 0) {
      char text[40];
      snprintf(text, sizeof text, ",\"mode\":\"%04llo\"", static_cast<unsigned long long>(how.mode));
      out_ += text;
    }
    out_ += ",\"resolve\":";
    write_flags(how.resolve, argument.aux2);
    out_ += '}';
  }

  void write_rlimit(uint64_t address) {
    if (address == 0) {
      out_ += "null";
      return;
    }
    rlimit64 limit = {};
    if (const int error = memory_.read(address, &limit, sizeof limit)) return write_unreadable(error);
    out_ += "{\"soft\":";
    write_bound(limit.rlim_cur);
    out_ += ",\"hard\":";
    write_bound(limit.rlim_max);
    out_ += '}';
  }

  void write_bound(uint64_t value) {
    if (value != RLIM64_INFINITY) return append_exact(out_, value);
    out_ += "\"RLIM_INFINITY\"";
  }

  void write_sockaddr(uint64_t address, socklen_t length, uint8_t families) {
    if (address == 0) {
      out_ += "null";
      return;
    }
    sockaddr_storage storage = {};
    const size_t usable = std::min<size_t>(length, sizeof storage);
    if (usable < sizeof(sa_family_t)) {
      out_ += "{}";
      return;
    }
    if (const int error = memory_.read(address, &storage, usable)) return write_unreadable(error);
    switch (storage.ss_family) {
      case AF_INET:
        return write_inet(reinterpret_cast<const sockaddr_in&>(storage));
      case AF_INET6:
        return write_inet6(reinterpret_cast<const sockaddr_in6&>(storage));
      case AF_UNIX:
        return write_unix(reinterpret_cast<const sockaddr_un&>(storage), usable);
      default:
        decoded_.network_expected = storage.ss_family == AF_NETLINK || storage.ss_family == AF_UNSPEC;
        out_ += "{\"family\":";
        write_enumeration(storage.ss_family, families);
        write_other_address(storage, usable);
        out_ += '}';
    }
  }

  // Of families that the base denials refuse, or that lead nowhere in a network namespace of one's own.
  void write_other_address(const sockaddr_storage& storage, size_t length) {
    const auto member = [&](std::string_view name, uint64_t value) {
      append_key(out_, name);
      append_number(out_, value);
    };
    if (storage.ss_family == AF_NETLINK && length >= sizeof(sockaddr_nl)) {
      const auto& address = reinterpret_cast<const sockaddr_nl&>(storage);
      member("portId", address.nl_pid);
      member("groups", address.nl_groups);
    } else if (storage.ss_family == AF_PACKET && length >= offsetof(sockaddr_ll, sll_hatype)) {
      const auto& address = reinterpret_cast<const sockaddr_ll&>(storage);
      member("interface", static_cast<uint32_t>(address.sll_ifindex));
      member("protocol", ntohs(address.sll_protocol));
    } else if (storage.ss_family == AF_VSOCK && length >= offsetof(sockaddr_vm, svm_cid) + sizeof(uint32_t)) {
      const auto& address = reinterpret_cast<const sockaddr_vm&>(storage);
      member("cid", address.svm_cid);
      member("port", address.svm_port);
    }
  }

  void write_inet(const sockaddr_in& address) { write_endpoint("AF_INET", address.sin_addr, ntohs(address.sin_port)); }

  void write_inet6(const sockaddr_in6& address) {
    const in6_addr& bytes = address.sin6_addr;
    const uint16_t port = ntohs(address.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&bytes)) {
      in_addr mapped;
      memcpy(&mapped, bytes.s6_addr + 12, sizeof mapped);
      return write_endpoint("AF_INET6", mapped, port);
    }
    char text[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &bytes, text, sizeof text);
    write_endpoint("AF_INET6", text, port, IN6_IS_ADDR_LOOPBACK(&bytes) || IN6_IS_ADDR_UNSPECIFIED(&bytes),
                   address.sin6_scope_id);
  }

  void write_endpoint(const char* family, in_addr address, uint16_t port) {
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address, text, sizeof text);
    const uint32_t host = ntohl(address.s_addr);
    write_endpoint(family, text, port, (host >> 24) == 127 || host == 0);
  }

  void write_endpoint(const char* family, const char* address, uint16_t port, bool loopback, uint32_t scope = 0) {
    decoded_.endpoint = {true, loopback, address, port};
    if (!loopback) decoded_.network_expected = false;
    out_ += "{\"family\":\"";
    out_ += family;
    out_ += "\",\"address\":\"";
    out_ += address;
    out_ += "\",\"port\":";
    append_number(out_, port);
    if (scope != 0) {
      append_key(out_, "scopeId");
      append_number(out_, scope);
    }
    out_ += '}';
  }

  void write_unix(const sockaddr_un& address, size_t length) {
    constexpr size_t start = offsetof(sockaddr_un, sun_path);
    out_ += "{\"family\":\"AF_UNIX\"";
    if (length > start && address.sun_path[0] == '\0') {
      append_key(out_, "abstract");
      append_json_string(out_, {address.sun_path + 1, length - start - 1});
    } else if (length > start) {
      const std::string path(address.sun_path, strnlen(address.sun_path, length - start));
      if (path.starts_with('/')) expect(normalize(path));
      append_key(out_, "path");
      append_json_string(out_, path);
    }
    out_ += '}';
  }

  std::string& out_;
  const Call& call_;
  const AuditTables& tables_;
  const MountView& view_;
  TaskMemory memory_;
  size_t read_ = 0;
  bool writes_ = false;
  Decoded decoded_;
};

void append_task(std::string& out, const TaskInfo& task) {
  if (task.process == nullptr) return;
  const ProcessInfo& process = *task.process;
  append_key(out, "pid");
  append_number(out, process.pid);
  if (task.tid != process.pid) {
    append_key(out, "tid");
    append_number(out, task.tid);
  }
  append_key(out, "ppid");
  append_number(out, process.ppid);
  append_key(out, "comm");
  append_json_string(out, process.comm);
  append_key(out, "exe");
  append_json_string(out, process.exe);
}

void append_verdict(std::string& out, const char* verdict, const char* rule) {
  append_key(out, "verdict");
  append_json_string(out, verdict);
  if (rule == nullptr) return;
  append_key(out, "rule");
  append_json_string(out, rule);
}

bool is_about(const SyscallSignature* signature, std::string_view prefix) {
  return signature != nullptr && signature->type.starts_with(prefix);
}

}  // namespace

Decoded append_call(std::string& out, const Call& call, const AuditTables& tables, const MountView& view) {
  out += "\"type\":";
  append_json_string(out, call.signature == nullptr ? std::string_view("syscall") : call.signature->type);
  append_task(out, call.task);
  append_key(out, "syscall");
  if (call.signature != nullptr) {
    append_json_string(out, call.signature->name);
  } else {
    append_signed(out, call.notification.data.nr);
  }
  return EventWriter(out, call, tables, view).write_arguments();
}

void append_expectation(std::string& out, const Call& call, const Decoded& decoded) {
  if (!decoded.path_expected) {
    append_verdict(out, "expected-deny", "filesystem");
  } else if (!decoded.network_expected) {
    append_verdict(out, "expected-deny", "network");
  } else if (is_about(call.signature, "file.") || is_about(call.signature, "net.") ||
             is_about(call.signature, "process.exec")) {
    append_verdict(out, "expected-allow", nullptr);
  } else {
    append_verdict(out, "allow", nullptr);
  }
}

void append_refusal(std::string& out, int error) {
  append_verdict(out, "deny", "syscalls");
  append_key(out, "errno");
  append_json_string(out, error == 0 ? "none" : errno_name(error));
}

const char* errno_name(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr ? "unknown" : name;
}

}  // namespace skillbox
