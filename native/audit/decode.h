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

enum class Answer { proceed, refuse };

struct Call {
  const seccomp_notif& notification;
  const SyscallSignature* signature;  // may be null
  const TaskInfo& task;
  Answer answer;
  int error;  // of a refusal; 0: the call returns 0 without effect
};

struct Decoded {
  bool denied = false;  // refused by us; not one that is only expected to be
  std::string path;     // the last path among the arguments, from the sandbox's root; empty where there is none
};

// Appends `"type":…` to `"rule":…`.
Decoded append_event(std::string& out, const Call& call, const AuditTables& tables, const MountView& view);

// An errno by name, such as "EPERM".
const char* errno_name(int error);

}  // namespace skillbox
