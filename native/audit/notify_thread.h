// The one thread that owns every seccomp listener of the process: receives, decodes, records, answers.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../sys/fd.h"
#include "record.h"
#include "tables.h"
#include "view.h"

namespace skillbox {

// A connect() or send to an address outside the sandbox, held until answer() is called for it.
struct HeldCall {
  uint64_t key;
  std::string members;  // of its event, up to the arguments: who decides adds the verdict
  std::string address;  // IPv4-mapped ones as IPv4
  uint16_t port;
  bool connects;      // false: it sends
  bool datagram;      // SOCK_DGRAM; else a stream
  bool non_blocking;  // O_NONBLOCK: the program has other things to do meanwhile
};

// What a listener needs to know of its run. Immutable once it is attached.
struct Supervision {
  // Set where there is egress. Called on the notify thread; must not block.
  std::function<void(HeldCall&&)> on_held;
  std::shared_ptr<Record> record;
  std::shared_ptr<const AuditTables> tables;
  MountView view;
  // The filter with its true answers: what is ERRNO here was only notified to be on record, and is refused.
  std::vector<sock_filter> verdicts;
  // Told in each event where a sandbox runs several programs; 0: it runs one.
  uint32_t program = 0;
  // PID 1, to be killed when the record fails and the policy says stop. May be empty.
  Fd init;
};

// Starts to serve a listener. It is let go of when the last task under its filter has ended, or at once where that fails: 0 or an
// errno. Its calls are ENOSYS then.
int supervise(Fd listener, std::shared_ptr<Supervision> supervision);

// Lets a held call go on (0) or fail with an errno. From any thread; a call whose task is gone is forgotten.
void answer(uint64_t key, int error);

// Returns when every notification that a task of these listeners made before the call has been recorded, and flushes.
// Call it when the tasks are dead: the listeners are gone then.
void drain(const std::shared_ptr<Record>& record);

}  // namespace skillbox
