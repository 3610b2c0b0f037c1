// The one thread that owns every seccomp listener of the process: receives, decodes, records, answers.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "../sys/fd.h"
#include "record.h"
#include "tables.h"
#include "view.h"

namespace skillbox {

// What a listener needs to know of its run. Immutable once it is attached.
struct Supervision {
  std::shared_ptr<Record> record;
  std::shared_ptr<const AuditTables> tables;
  MountView view;
  // The filter with its true answers: what is ERRNO here was only notified to be on record, and is refused.
  std::vector<sock_filter> verdicts;
  // PID 1, to be killed when the record fails and the policy says stop. May be empty.
  Fd init;
};

// Starts to serve a listener. It is let go of when the last task under its filter has ended.
void supervise(Fd listener, std::shared_ptr<Supervision> supervision);

// Returns when every notification that a task of these listeners made before the call has been recorded, and flushes.
// Call it when the tasks are dead: the listeners are gone then.
void drain(const std::shared_ptr<Record>& record);

}  // namespace skillbox
