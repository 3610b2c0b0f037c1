// What the outer half hands to the inner one, over a SOCK_SEQPACKET pair: the plan, and by it the word that the id maps are
// written; then a root caller's detached mounts, in the order of the plan's sources.
#pragma once

#include "../sys/fd.h"
#include "../sys/status.h"
#include "launch_plan.h"

namespace skillbox {

Status send_plan(int gate, int plan);

// Waits for it. ECONNRESET: the outer half has failed, and told so itself.
Status receive_plan(int gate, Fd* plan);

// So many at a time that the inner half can mount the first while the next are opened, and need not wait for each of them.
inline constexpr size_t kTreesPerMessage = 32;

class TreeSender {
 public:
  explicit TreeSender(int gate) : gate_(gate) {}

  Status add(Fd tree);
  Status flush();

 private:
  int gate_;
  size_t count_ = 0;
  Fd trees_[kTreesPerMessage];
};

class TreeReceiver {
 public:
  explicit TreeReceiver(int gate) : gate_(gate) {}

  // Gives the tree of a source away, once; waits for it where it has not come yet.
  Status take(const LaunchPlan& plan, size_t source, Fd* tree);

  // Waits for all that were not asked for, too: the outer half must not find the gate closed.
  Status take_rest(size_t count);

 private:
  Status receive();

  int gate_;
  size_t received_ = 0;
  Fd trees_[kMaxSources];
};

}  // namespace skillbox
