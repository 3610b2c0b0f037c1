// A descriptor watched by the event loop of the environment that made it, and let go of when that environment ends.
#pragma once

#include <napi.h>
#include <uv.h>

#include <cerrno>
#include <functional>

#include "../sys/fd.h"

namespace skillbox {

// Owns the descriptor, and itself: it is gone some time after close(), which its environment may call first. So whoever uses
// it has a slot that is emptied on close.
class PollHandle {
 public:
  // Fills the slot, or leaves it empty and returns false with errno set. `on_ready` runs on the loop's thread with a HandleScope open.
  static bool start(Napi::Env env, Fd fd, PollHandle** slot, std::function<void()> on_ready) {
    auto* handle = new PollHandle(std::move(fd), slot, std::move(on_ready));
    uv_loop_t* loop = nullptr;
    int error = UV_EINVAL;
    if (napi_get_uv_event_loop(env, &loop) == napi_ok) error = uv_poll_init(loop, &handle->poll_, handle->fd_.get());
    if (error != 0) {
      delete handle;
      errno = -error;
      return false;
    }
    *slot = handle;
    handle->env_ = env;
    handle->poll_.data = handle;
    handle->watch();
    // A worker that is terminated, or a process that exits: whatever is still open is closed here.
    napi_add_async_cleanup_hook(
        env, [](napi_async_cleanup_hook_handle, void* data) { static_cast<PollHandle*>(data)->close(); }, handle,
        &handle->cleanup_);
    return true;
  }

  int fd() const { return fd_.get(); }
  void ref(bool on) {
    if (on) {
      uv_ref(reinterpret_cast<uv_handle_t*>(&poll_));
    } else {
      uv_unref(reinterpret_cast<uv_handle_t*>(&poll_));
    }
  }

  void close() {
    if (closing_) return;
    closing_ = true;
    *slot_ = nullptr;
    uv_poll_stop(&poll_);
    fd_.reset();
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_), [](uv_handle_t* handle) {
      auto* self = static_cast<PollHandle*>(handle->data);
      napi_remove_async_cleanup_hook(self->cleanup_);
      delete self;
    });
  }

 private:
  PollHandle(Fd fd, PollHandle** slot, std::function<void()> on_ready)
      : fd_(std::move(fd)), slot_(slot), on_ready_(std::move(on_ready)) {}
  ~PollHandle() = default;

  void watch() {
    uv_poll_start(&poll_, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* poll, int status, int) {
      auto* self = static_cast<PollHandle*>(poll->data);
      // On POLLERR libuv stops watching (uv__poll_io). A socket whose peer closed with something unread is in that state,
      // and still holds all that the peer had said: reading clears the error and goes on.
      if (status < 0) self->watch();
      const Napi::Env env = self->env_;
      const Napi::HandleScope scope(env);
      if (can_run_javascript(env)) {
        self->on_ready_();
        report_exception(env);
      } else {
        self->close();
      }
    });
  }

  // What a callback, or a tick after it, has thrown has no caller of ours to go to; left pending it would be lost.
  static void report_exception(Napi::Env env) {
    if (!env.IsExceptionPending()) return;
    const Napi::Error error = env.GetAndClearPendingException();
    napi_fatal_exception(env, error.Value());
  }

  // The loop of a worker that is terminated goes on for a while, without JavaScript: every value made there is empty.
  static bool can_run_javascript(Napi::Env env) {
    napi_value value;
    return napi_get_boolean(env, true, &value) == napi_ok && napi_coerce_to_bool(env, value, &value) == napi_ok;
  }

  Fd fd_;
  PollHandle** slot_;
  std::function<void()> on_ready_;
  Napi::Env env_ = nullptr;
  uv_poll_t poll_ = {};
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  bool closing_ = false;
};

}  // namespace skillbox
