#include "listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

#include "address.h"
#include "arguments.h"
#include "classes.h"
#include "poll_handle.h"

namespace skillbox {

namespace {

constexpr int kBacklog = 128;

bool set_tcp_option(int socket, int option, int value) {
  return setsockopt(socket, IPPROTO_TCP, option, &value, sizeof value) == 0;
}

// A program that listens on a port at every address keeps others from its exact addresses, in bind(2) and again in listen(2),
// though a connection would find its way: the kernel looks for the exact address first. A socket in repair mode is not asked
// (SK_FORCE_REUSE, inet_csk_get_port()). That takes CAP_NET_ADMIN over the network namespace, which who made its user namespace
// has (user_namespaces(7)). Returns errno.
int listen_inside(int socket, const Address& address, bool* repaired) {
  *repaired = false;
  int error = bind_inside(socket, address);
  if (error == 0 && listen(socket, kBacklog) == 0) return 0;
  if (error == 0) error = errno;
  if (error != EADDRINUSE || !set_tcp_option(socket, TCP_REPAIR, TCP_REPAIR_ON)) return error;
  *repaired = true;
  // Where only listen(2) was refused it is bound already, and bind(2) says EINVAL.
  (void)bind(socket, address.get(), address.length);
  return listen(socket, kBacklog) == 0 ? 0 : errno;
}

class Listener : public Napi::ObjectWrap<Listener> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Listener", {InstanceMethod<&Listener::close>("close")});
  }

  explicit Listener(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Listener>(info) {}

  ~Listener() override { stop(); }

  bool start(Napi::Env env, Fd socket, bool repaired, Napi::Function on_accepted) {
    repaired_ = repaired;
    on_accepted_ = Napi::Persistent(on_accepted);
    return PollHandle::start(env, std::move(socket), &handle_, [this] { accept_all(); });
  }

 private:
  void stop() {
    if (handle_ != nullptr && repaired_) reset_waiting();
    if (handle_ != nullptr) handle_->close();
    // The function holds the listeners, which hold us.
    on_accepted_.Reset();
  }

  void close(const Napi::CallbackInfo&) { stop(); }

  void accept_all() {
    const Napi::Env env = Env();
    // onAccepted may close us.
    for (int i = 0; i < kBacklog && handle_ != nullptr; i++) {
      Fd accepted(accept4(handle_->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!accepted) return;
      set_tcp_option(accepted.get(), TCP_NODELAY, 1);
      if (repaired_) leave_repair(accepted.get());
      on_accepted_.MakeCallback(env.Global(), {Napi::Number::New(env, accepted.release())});
    }
  }

  // The kernel would reset what nobody has accepted, but for connections in repair mode, which it forgets.
  void reset_waiting() {
    while (const Fd waiting = Fd(accept4(handle_->fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC))) {
      const linger at_once = {1, 0};
      leave_repair(waiting.get());
      setsockopt(waiting.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
  }

  // A connection inherits the mode. In it nothing can be read and no end is sent; leaving it takes SO_REUSEADDR away, without
  // which the program's own servers would have to wait for the connection's end.
  static void leave_repair(int socket) {
    const int on = 1;
    set_tcp_option(socket, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP);
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }

  PollHandle* handle_ = nullptr;
  Napi::FunctionReference on_accepted_;
  bool repaired_ = false;
};

}  // namespace

Napi::Value open_listener(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = fd_argument(info[0], "fd");
  if (!fd) return env.Undefined();
  Fd socket(*fd);
  const auto address = address_arguments(info[1], info[2], "address");
  if (!address) return env.Undefined();
  if (!info[3].IsFunction()) {
    throw_type_error(env, "onAccepted", "a function");
    return env.Undefined();
  }
  const Napi::Object object = Classes::get(env, &Classes::listener, Listener::define).New({});
  if (object.IsEmpty()) return env.Undefined();
  bool repaired;
  if (const int error = listen_inside(socket.get(), *address, &repaired)) {
    throw_errno(env, error, "bind");
  } else if (!Listener::Unwrap(object)->start(env, std::move(socket), repaired, info[3].As<Napi::Function>())) {
    throw_errno(env, errno, "uv_poll_init");
  }
  return object;
}

}  // namespace skillbox
