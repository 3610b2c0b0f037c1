// Internet addresses as JavaScript writes them.
#pragma once

#include <napi.h>
#include <sys/socket.h>

#include <optional>

namespace skillbox {

struct Address {
  sockaddr_storage storage = {};
  socklen_t length = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

// Throws a TypeError and is empty for what is none.
std::optional<Address> address_arguments(const Napi::Value& text, const Napi::Value& port, const char* name);

// Binds a socket of a sandbox's network namespace, from outside, to an address that is local there by a route alone. Returns errno.
int bind_inside(int socket, const Address& address);

}  // namespace skillbox
