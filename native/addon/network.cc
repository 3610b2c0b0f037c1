#include "network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "address.h"
#include "arguments.h"
#include "classes.h"
#include "poll_handle.h"

namespace skillbox {

namespace {

std::string text_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof text);
  } else {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text, sizeof text);
  }
  return text;
}

uint16_t port_of(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                                            : reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
}

union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(in6_pktinfo))];
};

// The address that the peer wrote to: IP_PKTINFO of ip(7), IPV6_PKTINFO of ipv6(7).
std::string local_address(msghdr& message) {
  char text[INET6_ADDRSTRLEN] = "";
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      memcpy(&info, CMSG_DATA(header), sizeof info);
      inet_ntop(AF_INET, &info.ipi_addr, text, sizeof text);
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      memcpy(&info, CMSG_DATA(header), sizeof info);
      inet_ntop(AF_INET6, &info.ipi6_addr, text, sizeof text);
    }
  }
  return text;
}

class Datagram : public Napi::ObjectWrap<Datagram> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Datagram",
                       {InstanceMethod<&Datagram::send>("send"), InstanceMethod<&Datagram::close>("close")});
  }

  explicit Datagram(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Datagram>(info) {}

  ~Datagram() override { stop(); }

  bool start(Napi::Env env, Fd socket, Napi::Function on_message) {
    on_message_ = Napi::Persistent(on_message);
    return PollHandle::start(env, std::move(socket), &handle_, [this] { receive(); });
  }

 private:
  void stop() {
    if (handle_ != nullptr) handle_->close();
    // The function holds the gateway, which holds us.
    on_message_.Reset();
  }

  void close(const Napi::CallbackInfo&) { stop(); }

  void receive() {
    const Napi::Env env = Env();
    // A bounded number at a time: a program that floods its resolver must not keep the event loop from all else.
    for (int i = 0; i < 64 && handle_ != nullptr; i++) {
      uint8_t bytes[65536];
      sockaddr_storage peer = {};
      Control control;
      iovec part = {bytes, sizeof bytes};
      msghdr message = {};
      message.msg_name = &peer;
      message.msg_namelen = sizeof peer;
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      message.msg_control = control.bytes;
      message.msg_controllen = sizeof control.bytes;
      const ssize_t length = recvmsg(handle_->fd(), &message, MSG_DONTWAIT);
      if (length < 0) return;
      auto data = Napi::Uint8Array::New(env, static_cast<size_t>(length));
      memcpy(data.Data(), bytes, static_cast<size_t>(length));
      on_message_.MakeCallback(env.Global(),
                               {data, Napi::String::New(env, text_of(peer)), Napi::Number::New(env, port_of(peer)),
                                Napi::String::New(env, local_address(message))});
    }
  }

  void send(const Napi::CallbackInfo& info) {
    const auto data = bytes_argument(info[0], "data");
    if (!data) return;
    const auto peer = address_arguments(info[1], info[2], "peer");
    if (!peer) return;
    const auto local = address_arguments(info[3], Napi::Number::New(info.Env(), 0), "local");
    if (!local || handle_ == nullptr) return;

    Control control = {};
    iovec part = {const_cast<uint8_t*>(data->data()), data->size()};
    msghdr message = {};
    message.msg_name = const_cast<sockaddr_storage*>(&peer->storage);
    message.msg_namelen = peer->length;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    if (local->storage.ss_family == AF_INET) {
      in_pktinfo source = {};
      source.ipi_spec_dst = reinterpret_cast<const sockaddr_in&>(local->storage).sin_addr;
      add_source(message, IPPROTO_IP, IP_PKTINFO, &source, sizeof source);
    } else {
      in6_pktinfo source = {};
      source.ipi6_addr = reinterpret_cast<const sockaddr_in6&>(local->storage).sin6_addr;
      add_source(message, IPPROTO_IPV6, IPV6_PKTINFO, &source, sizeof source);
    }
    (void)sendmsg(handle_->fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  static void add_source(msghdr& message, int level, int type, const void* source, size_t length) {
    message.msg_controllen = CMSG_SPACE(length);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(header), source, length);
  }

  PollHandle* handle_ = nullptr;
  Napi::FunctionReference on_message_;
};

// Throws, and is empty, where it could not be bound.
std::optional<int> bind_arguments(const Napi::CallbackInfo& info) {
  const auto fd = fd_argument(info[0], "fd");
  if (!fd) return std::nullopt;
  const auto address = address_arguments(info[1], info[2], "address");
  if (!address) return std::nullopt;
  const int error = bind_inside(*fd, *address);
  if (error == 0) return fd;
  throw_errno(info.Env(), error, "bind");
  return std::nullopt;
}

}  // namespace

Napi::Value bind_listen(const Napi::CallbackInfo& info) {
  const auto fd = bind_arguments(info);
  if (fd && listen(*fd, 128) != 0) throw_errno(info.Env(), errno, "listen");
  return info.Env().Undefined();
}

Napi::Value bind_datagram(const Napi::CallbackInfo& info) {
  const auto fd = bind_arguments(info);
  if (!fd) return info.Env().Undefined();
  // What a program sends in one go has to fit until the event loop comes by.
  const int bytes = 1 << 20;
  setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  return info.Env().Undefined();
}

Napi::Value open_datagram(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = fd_argument(info[0], "fd");
  if (!fd) return env.Undefined();
  if (!info[1].IsFunction()) {
    throw_type_error(env, "onMessage", "a function");
    return env.Undefined();
  }
  const Napi::Object object = Classes::get(env, &Classes::datagram, Datagram::define).New({});
  if (object.IsEmpty()) return env.Undefined();
  if (!Datagram::Unwrap(object)->start(env, Fd(*fd), info[1].As<Napi::Function>())) {
    throw_errno(env, errno, "uv_poll_init");
  }
  return object;
}

}  // namespace skillbox
