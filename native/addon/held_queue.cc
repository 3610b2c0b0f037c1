#include "held_queue.h"

#include <sys/eventfd.h>

#include <cerrno>
#include <deque>
#include <memory>
#include <mutex>

#include "poll_handle.h"

namespace skillbox {

namespace {

class HeldQueue {
 public:
  explicit HeldQueue(Fd wake) : wake_(std::move(wake)) {}

  // From the notify thread. Nobody left to judge it: refused.
  void push(HeldCall&& held) {
    const std::lock_guard lock(mutex_);
    if (closed_) return answer(held.key, EPERM);
    calls_.push_back(std::move(held));
    wake();
  }

  // From the destructor of what the notify thread holds: there will be no more.
  void finish() {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    wake();
  }

  // The event loop's side. True when the queue has come to its end.
  bool take(std::deque<HeldCall>* calls) {
    const std::lock_guard lock(mutex_);
    uint64_t count;
    (void)!read(wake_.get(), &count, sizeof count);
    calls->swap(calls_);
    return finished_;
  }

  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (const HeldCall& held : calls_) answer(held.key, EPERM);
    calls_.clear();
  }

  Fd duplicate_wake() const { return Fd(fcntl(wake_.get(), F_DUPFD_CLOEXEC, 0)); }

 private:
  void wake() {
    const uint64_t one = 1;
    (void)!write(wake_.get(), &one, sizeof one);  // fails only when it is awake already
  }

  std::mutex mutex_;
  std::deque<HeldCall> calls_;
  bool closed_ = false;
  bool finished_ = false;
  Fd wake_;
};

// Lives in the poll handle's callback, and dies with the handle, whichever way that goes.
struct LoopSide {
  std::shared_ptr<HeldQueue> queue;
  Napi::FunctionReference on_held;
  PollHandle* handle = nullptr;

  ~LoopSide() { queue->close(); }
};

struct ThreadSide {
  std::shared_ptr<HeldQueue> queue;

  ~ThreadSide() { queue->finish(); }
};

Napi::Object to_object(Napi::Env env, const HeldCall& held) {
  Napi::Object call = Napi::Object::New(env);
  call.Set("key", Napi::Number::New(env, static_cast<double>(held.key)));
  call.Set("members", Napi::String::New(env, held.members));
  call.Set("address", Napi::String::New(env, held.address));
  call.Set("port", Napi::Number::New(env, held.port));
  call.Set("connects", Napi::Boolean::New(env, held.connects));
  call.Set("datagram", Napi::Boolean::New(env, held.datagram));
  call.Set("nonBlocking", Napi::Boolean::New(env, held.non_blocking));
  return call;
}

void deliver(const std::shared_ptr<LoopSide>& side) {
  std::deque<HeldCall> calls;
  const bool finished = side->queue->take(&calls);
  const Napi::Env env = side->on_held.Env();
  for (const HeldCall& held : calls) side->on_held.MakeCallback(env.Global(), {to_object(env, held)});
  if (finished && side->handle != nullptr) side->handle->close();
}

}  // namespace

std::function<void(HeldCall&&)> open_held_queue(Napi::Env env, Napi::Function on_held) {
  Fd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return {};
  auto queue = std::make_shared<HeldQueue>(std::move(wake));
  auto loop_side = std::make_shared<LoopSide>();
  loop_side->queue = queue;
  loop_side->on_held = Napi::Persistent(on_held);
  Fd watched = queue->duplicate_wake();
  if (!watched) return {};
  if (!PollHandle::start(env, std::move(watched), &loop_side->handle, [loop_side] { deliver(loop_side); })) return {};
  loop_side->handle->ref(false);  // a sandbox keeps the loop alive by its channel
  auto thread_side = std::make_shared<ThreadSide>();
  thread_side->queue = std::move(queue);
  return [thread_side](HeldCall&& held) { thread_side->queue->push(std::move(held)); };
}

}  // namespace skillbox
