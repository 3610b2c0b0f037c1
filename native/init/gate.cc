#include "gate.h"

#include <cerrno>
#include <utility>

#include "../sys/fd_passing.h"

namespace skillbox {

namespace {

constexpr uint8_t kNothing[] = {0};  // a message needs a byte to carry descriptors

}  // namespace

Status send_plan(int gate, int plan) {
  const int fds[] = {plan};
  if (!send_message(gate, kNothing, fds)) return failure("gate", "send plan");
  return success();
}

Status receive_plan(int gate, Fd* plan) {
  uint8_t byte;
  int fd = -1;
  const ReceivedMessage message = receive_message(gate, {&byte, 1}, {&fd, 1});
  plan->reset(fd);
  if (message.length < 0) return failure("gate", "receive plan");
  if (message.truncated) return failure_with(EMFILE, "gate", "receive plan");
  if (message.length != 1 || message.fd_count != 1) return failure_with(ECONNRESET, "gate", "receive plan");
  return success();
}

Status TreeSender::add(Fd tree) {
  trees_[count_++] = std::move(tree);
  return count_ == kTreesPerMessage ? flush() : success();
}

Status TreeSender::flush() {
  if (count_ == 0) return success();
  int fds[kTreesPerMessage];
  for (size_t i = 0; i < count_; i++) fds[i] = trees_[i].get();
  if (!send_message(gate_, kNothing, {fds, count_})) return failure("gate", "send trees");
  for (size_t i = 0; i < count_; i++) trees_[i].reset();
  count_ = 0;
  return success();
}

Status TreeReceiver::take(const LaunchPlan& plan, size_t source, Fd* tree) {
  while (received_ <= source) SKILLBOX_TRY(receive());
  *tree = std::move(trees_[source]);
  if (!*tree) return failure_with(EBADF, "gate", "use twice", plan.sources[source].path);
  return success();
}

Status TreeReceiver::take_rest(size_t count) {
  while (received_ < count) SKILLBOX_TRY(receive());
  return success();
}

Status TreeReceiver::receive() {
  uint8_t byte;
  int fds[kTreesPerMessage];
  const ReceivedMessage message = receive_message(gate_, {&byte, 1}, fds);
  for (size_t i = 0; i < message.fd_count; i++) {
    Fd tree(fds[i]);
    if (received_ < kMaxSources) trees_[received_++] = std::move(tree);
  }
  if (message.length < 0) return failure("gate", "receive trees");
  if (message.truncated) return failure_with(EMFILE, "gate", "receive trees");
  if (message.length != 1 || message.fd_count == 0) {
    return failure_with(ECONNRESET, "gate", "receive trees");
  }
  return success();
}

}  // namespace skillbox
