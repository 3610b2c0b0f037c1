// A notified call as the members of a JSON event.
#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <string>

#include "memory.h"
#include "process_table.h"
#include "tables.h"
#include "view.h"

namespace skillbox {

struct Call {
  const seccomp_notif& notification;
  const SyscallSignature* signature;  // may be null
  const TaskInfo& task;
};

// An address of the internet families among the arguments; IPv4-mapped ones as IPv4.
struct Endpoint {
  bool present = false;
  bool loopback = false;  // 127/8, ::1, and the unspecified addresses, which connect(2) takes for them
  std::string address;
  uint16_t port = 0;
};

// What a call is about, as far as it bears on what becomes of it.
struct Decoded {
  bool path_expected = true;     // the kernel will find, or be able to write, what the paths name
  bool network_expected = true;  // and reach what the address names
  std::string path;  // the last path among the arguments, from the sandbox's root; empty where there is none
  Endpoint endpoint;
};

// Appends `"type":…` to `"args":{…}`.
Decoded append_call(std::string& out, const Call& call, const AuditTables& tables, const MountView& view);

// Appends the verdict of a call that goes on.
void append_expectation(std::string& out, const Call& call, const Decoded& decoded);

// Appends the verdict of a call that the filter refuses; error 0: it returns 0 without effect.
void append_refusal(std::string& out, int error);

// An errno by name, such as "EPERM".
const char* errno_name(int error);

}  // namespace skillbox
