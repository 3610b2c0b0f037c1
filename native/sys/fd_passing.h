// One SOCK_SEQPACKET message with descriptors (SCM_RIGHTS, unix(7)).
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace skillbox {

// SCM_MAX_FD of the kernel (include/net/scm.h).
inline constexpr size_t kMaxPassedFds = 253;

struct ReceivedMessage {
  ssize_t length = -1;  // -1: see errno; 0: the peer is gone
  size_t fd_count = 0;
  bool truncated = false;
};

// Returns false with errno set. A full socket buffer blocks unless MSG_DONTWAIT is among the flags.
bool send_message(int socket, std::span<const uint8_t> bytes, std::span<const int> fds, int flags = 0);

// Received descriptors are CLOEXEC and belong to the caller.
ReceivedMessage receive_message(int socket, std::span<uint8_t> bytes, std::span<int> fds, int flags = 0);

}  // namespace skillbox
