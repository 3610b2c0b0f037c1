#include "net_ns.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../sys/fd.h"

namespace skillbox {

Status bring_loopback_up() {
  const Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd) return failure("net_ns", "socket");
  ifreq request = {};
  memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) != 0) return failure("net_ns", "SIOCSIFFLAGS", "lo");
  return success();
}

}  // namespace skillbox
