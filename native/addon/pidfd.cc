#include "pidfd.h"

#include <signal.h>
#include <sys/syscall.h>

#include <memory>

#include "arguments.h"
#include "poll_handle.h"

namespace skillbox {

Napi::Value watch_exit(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = fd_argument(info[0], "pidfd");
  if (!fd) return env.Undefined();
  if (!info[1].IsFunction()) {
    throw_type_error(env, "onExit", "a function");
    return env.Undefined();
  }
  struct Watch {
    PollHandle* handle = nullptr;
    Napi::FunctionReference on_exit;
  };
  auto watch = std::make_shared<Watch>();
  watch->on_exit = Napi::Persistent(info[1].As<Napi::Function>());
  const bool started = PollHandle::start(env, Fd(*fd), &watch->handle, [watch]() {
    const std::shared_ptr<Watch> keep = watch;
    // Readable from the moment the process is a zombie (pidfd_open(2)); the launch thread reaps it.
    const Napi::Env callback_env = keep->on_exit.Env();
    keep->handle->close();
    keep->on_exit.MakeCallback(callback_env.Global(), {});
  });
  if (!started) throw_errno(env, errno, "uv_poll_init");
  return env.Undefined();
}

Napi::Value signal_process(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = fd_argument(info[0], "pidfd");
  if (!fd) return env.Undefined();
  const auto signal_number = integer_argument(info[1], "signal", 0, 64);
  if (!signal_number) return env.Undefined();
  if (syscall(SYS_pidfd_send_signal, *fd, *signal_number, nullptr, 0) == 0) return Napi::Boolean::New(env, true);
  if (errno == ESRCH) return Napi::Boolean::New(env, false);
  throw_errno(env, errno, "pidfd_send_signal");
  return env.Undefined();
}

}  // namespace skillbox
