#include "channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include "../sys/fd_passing.h"
#include "arguments.h"
#include "classes.h"
#include "launch_thread.h"
#include "poll_handle.h"

namespace skillbox {

namespace {

class Channel : public Napi::ObjectWrap<Channel> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Channel",
                       {InstanceMethod<&Channel::send>("send"), InstanceMethod<&Channel::shutdown>("shutdown")});
  }

  explicit Channel(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Channel>(info) {}

  ~Channel() override { stop(); }

  bool start(Napi::Env env, Fd socket, Napi::Function on_message) {
    on_message_ = Napi::Persistent(on_message);
    if (!PollHandle::start(env, std::move(socket), &handle_, [this] { receive(); })) return false;
    Ref();  // as long as the sandbox is there, so is its channel
    return true;
  }

 private:
  void send(const Napi::CallbackInfo& info) {
    const auto bytes = bytes_argument(info[0], "message");
    if (!bytes) return;
    const auto fds = fds_argument(info[1], "fds");
    if (!fds) return;
    if (handle_ == nullptr) return;  // the sandbox is gone; its end was or will be told
    if (!send_message(handle_->fd(), *bytes, *fds, MSG_DONTWAIT) && errno != EPIPE && errno != ECONNRESET) {
      throw_errno(info.Env(), errno, "sendmsg");
    }
  }

  // PID 1 ends when nobody can talk to it any more. What it has said is still received.
  void shutdown(const Napi::CallbackInfo&) {
    if (handle_ != nullptr) ::shutdown(handle_->fd(), SHUT_WR);
  }

  void stop() {
    if (handle_ == nullptr) return;
    handle_->close();
    Unref();
  }

  void receive() {
    const Napi::Env env = Env();
    uint8_t bytes[16384];
    int fds[64];
    ReceivedMessage message = receive_message(handle_->fd(), bytes, fds, MSG_DONTWAIT);
    // A peer that closes with something unread leaves an error in front of what it had said before: its last words, which
    // tell why. Reading the error clears it.
    if (message.length < 0 && errno == ECONNRESET) message = receive_message(handle_->fd(), bytes, fds, MSG_DONTWAIT);
    int error = message.length < 0 ? errno : 0;
    if (error == EAGAIN) return;
    if (message.truncated) {
      // The kernel leaves out the descriptors that we have no numbers for. Half a report is none.
      for (size_t i = 0; i < message.fd_count; i++) ::close(fds[i]);
      message.length = -1;
      message.fd_count = 0;
      error = EMFILE;
    }
    const Napi::Array fd_array = Napi::Array::New(env, message.fd_count);
    for (size_t i = 0; i < message.fd_count; i++) fd_array.Set(static_cast<uint32_t>(i), fds[i]);
    if (message.length > 0) {
      auto copy = Napi::Uint8Array::New(env, static_cast<size_t>(message.length));
      memcpy(copy.Data(), bytes, static_cast<size_t>(message.length));
      call(env, copy, fd_array);
      return;
    }
    const Napi::ObjectReference self = Napi::Persistent(Value());
    stop();
    call(env, env.Undefined(), fd_array, error);
    // The function holds the sandbox, which holds us.
    on_message_.Reset();
  }

  void call(Napi::Env env, Napi::Value message, Napi::Value fds, int error = 0) {
    // MakeCallback, so that promises that the callback settles run their reactions before the loop goes on.
    on_message_.MakeCallback(env.Global(), {message, fds, Napi::Number::New(env, error)});
  }

  PollHandle* handle_ = nullptr;
  Napi::FunctionReference on_message_;
};

}  // namespace

Napi::Value launch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto init_path = string_argument(info[0], "initPath");
  if (!init_path) return env.Undefined();
  if (!info[1].IsBoolean()) {
    throw_type_error(env, "inCgroup", "a boolean");
    return env.Undefined();
  }
  if (!info[2].IsFunction()) {
    throw_type_error(env, "onMessage", "a function");
    return env.Undefined();
  }
  if (const int error = open_launch_thread(); error != 0) {
    throw_errno(env, error, "pthread_create");
    return env.Undefined();
  }
  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    throw_errno(env, errno, "socketpair");
    return env.Undefined();
  }
  Fd ours(sockets[0]);
  Fd theirs(sockets[1]);

  const Napi::Object object = Classes::get(env, &Classes::channel, Channel::define).New({});
  if (object.IsEmpty()) return env.Undefined();
  if (!Channel::Unwrap(object)->start(env, std::move(ours), info[2].As<Napi::Function>())) {
    throw_errno(env, errno, "uv_poll_init");
    return env.Undefined();
  }
  launch_init(std::move(*init_path), info[1].As<Napi::Boolean>().Value(), std::move(theirs));
  return object;
}

}  // namespace skillbox
