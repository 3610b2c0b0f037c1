#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>

#include "arguments.h"

namespace skillbox {

namespace {

std::optional<Address> parse_address(const std::string& text, uint16_t port) {
  Address address;
  auto& v4 = reinterpret_cast<sockaddr_in&>(address.storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(address.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.length = sizeof v4;
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.length = sizeof v6;
    return address;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Address> address_arguments(const Napi::Value& text, const Napi::Value& port, const char* name) {
  const auto address_text = string_argument(text, name);
  if (!address_text) return std::nullopt;
  const auto number = integer_argument(port, "port", 0, 65535);
  if (!number) return std::nullopt;
  auto address = parse_address(*address_text, static_cast<uint16_t>(*number));
  if (!address) throw_type_error(text.Env(), name, "an IPv4 or IPv6 address");
  return address;
}

int bind_inside(int socket, const Address& address) {
  const int on = 1;
  setsockopt(socket, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  if (address.storage.ss_family == AF_INET6) {
    setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    // IPv6 wants to be told that this is meant.
    setsockopt(socket, IPPROTO_IPV6, 78 /* IPV6_FREEBIND, linux/in6.h */, &on, sizeof on);
  }
  // Connections that this listener's forerunner had may linger in TIME_WAIT; and UDP sockets at every address (our resolver,
  // a server of the program's) may share the port, where they allow it too.
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  return bind(socket, address.get(), address.length) == 0 ? 0 : errno;
}

}  // namespace skillbox
