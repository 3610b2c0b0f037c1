#include "net_ns.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../sys/fd.h"
#include "../sys/fd_passing.h"
#include "report.h"

namespace skillbox {

namespace {

constexpr unsigned kLoopbackIndex = 1;  // the first device of every network namespace
constexpr uint16_t kDnsPort = 53;
constexpr int kFreebind6 = 78;  // IPV6_FREEBIND of linux/in6.h, which does not go with netinet/in.h
constexpr uint32_t kMostSockets = 64;

// The namespace's own addresses. Without one that is not loopback, getaddrinfo(3) with AI_ADDRCONFIG gives up a family
// without a query.
constexpr const char* kOwnAddress4 = "10.0.2.15";
constexpr const char* kOwnAddress6 = "fd00:5b::15";

// A netlink request under construction (rtnetlink(7)).
template <typename Body>
struct Request {
  nlmsghdr header = {};
  Body body = {};
  uint8_t attributes[64] = {};

  Request(uint16_t type, uint16_t flags) {
    header.nlmsg_len = NLMSG_LENGTH(sizeof(Body));
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  }
  void add(uint16_t type, const void* data, uint16_t length) {
    auto* attribute = reinterpret_cast<rtattr*>(reinterpret_cast<uint8_t*>(this) + NLMSG_ALIGN(header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<uint16_t>(RTA_LENGTH(length));
    memcpy(RTA_DATA(attribute), data, length);
    header.nlmsg_len = NLMSG_ALIGN(header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
  }
};

Status transact(int netlink, const nlmsghdr& request, const char* what) {
  if (send(netlink, &request, request.nlmsg_len, 0) < 0) return failure("net_ns", "send", what);
  alignas(nlmsghdr) uint8_t answer[1024];
  const ssize_t length = recv(netlink, answer, sizeof answer, 0);
  if (length < 0) return failure("net_ns", "recv", what);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (!NLMSG_OK(header, static_cast<uint32_t>(length)) || header->nlmsg_type != NLMSG_ERROR) {
    return failure_with(EBADMSG, "net_ns", "netlink", what);
  }
  const auto* error = static_cast<const nlmsgerr*>(NLMSG_DATA(header));
  return error->error == 0 ? success() : failure_with(-error->error, "net_ns", "netlink", what);
}

Status add_address(int netlink, int family, const char* text) {
  uint8_t address[16];
  inet_pton(family, text, address);
  const uint16_t length = family == AF_INET ? 4 : 16;
  Request<ifaddrmsg> request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  request.body.ifa_family = static_cast<uint8_t>(family);
  request.body.ifa_prefixlen = static_cast<uint8_t>(length * 8);
  request.body.ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
  request.body.ifa_index = kLoopbackIndex;
  request.add(IFA_LOCAL, address, length);
  request.add(IFA_ADDRESS, address, length);
  return transact(netlink, request.header, text);
}

Status add_local_route(int netlink, int family) {
  Request<rtmsg> request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  request.body.rtm_family = static_cast<uint8_t>(family);
  request.body.rtm_table = RT_TABLE_LOCAL;
  request.body.rtm_protocol = RTPROT_STATIC;
  request.body.rtm_scope = family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE;
  request.body.rtm_type = RTN_LOCAL;
  request.add(RTA_OIF, &kLoopbackIndex, sizeof kLoopbackIndex);
  return transact(netlink, request.header, family == AF_INET ? "local 0.0.0.0/0" : "local ::/0");
}

// A host without IPv6 has no such addresses to reach.
Status find_ipv6(bool* found) {
  *found = static_cast<bool>(Fd(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)));
  return *found || errno == EAFNOSUPPORT ? success() : failure("net_ns", "socket", "IPv6");
}

Status set_option(int socket, int level, int option, const char* name) {
  const int on = 1;
  if (setsockopt(socket, level, option, &on, sizeof on) != 0) return failure("net_ns", "setsockopt", name);
  return success();
}

Status open_resolver_socket(int family, int type, Fd* result) {
  Fd fd(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failure("net_ns", "socket", "resolver");
  if (family == AF_INET6) SKILLBOX_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY"));
  if (type == SOCK_DGRAM) {
    // The reply has to come from the address that was asked, whichever that was.
    SKILLBOX_TRY(family == AF_INET ? set_option(fd.get(), IPPROTO_IP, IP_PKTINFO, "IP_PKTINFO")
                                   : set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, "IPV6_RECVPKTINFO"));
    // A name server that the policy names gets a socket of its own at this port. The program cannot bind it: it is below 1024.
    SKILLBOX_TRY(set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"));
    // Of IPv6 addresses only those of an interface may be a source, routed here or not, unless this is set.
    if (family == AF_INET6) SKILLBOX_TRY(set_option(fd.get(), IPPROTO_IPV6, kFreebind6, "IPV6_FREEBIND"));
  }
  sockaddr_in v4 = {};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(kDnsPort);
  sockaddr_in6 v6 = {};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(kDnsPort);
  const bool is_v4 = family == AF_INET;
  const auto* address = is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  if (bind(fd.get(), address, is_v4 ? sizeof v4 : sizeof v6) != 0) return failure("net_ns", "bind", "port 53");
  if (type == SOCK_STREAM && listen(fd.get(), 64) != 0) return failure("net_ns", "listen", "port 53");
  *result = std::move(fd);
  return success();
}

}  // namespace

Status bring_loopback_up() {
  const Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_fd) return failure("net_ns", "socket");
  ifreq request = {};
  memcpy(request.ifr_name, "lo", sizeof "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(socket_fd.get(), SIOCSIFFLAGS, &request) != 0) return failure("net_ns", "SIOCSIFFLAGS", "lo");
  return success();
}

Status make_every_address_local(int proc) {
  const Fd netlink(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!netlink) return failure("net_ns", "socket", "netlink");
  SKILLBOX_TRY(add_address(netlink.get(), AF_INET, kOwnAddress4));
  SKILLBOX_TRY(add_local_route(netlink.get(), AF_INET));
  bool has_ipv6;
  SKILLBOX_TRY(find_ipv6(&has_ipv6));
  if (has_ipv6) {
    SKILLBOX_TRY(add_address(netlink.get(), AF_INET6, kOwnAddress6));
    SKILLBOX_TRY(add_local_route(netlink.get(), AF_INET6));
  }
  // Fast open would carry data in a call that connects without connect().
  const Fd fast_open(openat(proc, "sys/net/ipv4/tcp_fastopen", O_WRONLY | O_CLOEXEC));
  if (!fast_open) return failure("net_ns", "open", "tcp_fastopen");
  if (write(fast_open.get(), "0", 1) != 1) return failure("net_ns", "write", "tcp_fastopen");
  return success();
}

Status send_resolver_sockets(int control) {
  Fd sockets[4];
  SKILLBOX_TRY(open_resolver_socket(AF_INET, SOCK_DGRAM, &sockets[0]));
  SKILLBOX_TRY(open_resolver_socket(AF_INET, SOCK_STREAM, &sockets[1]));
  size_t count = 2;
  bool has_ipv6;
  SKILLBOX_TRY(find_ipv6(&has_ipv6));
  if (has_ipv6) {
    SKILLBOX_TRY(open_resolver_socket(AF_INET6, SOCK_DGRAM, &sockets[2]));
    SKILLBOX_TRY(open_resolver_socket(AF_INET6, SOCK_STREAM, &sockets[3]));
    count = 4;
  }
  int fds[4];
  for (size_t i = 0; i < count; i++) fds[i] = sockets[i].get();
  if (!ReportWriter(Report::resolver).send(control, {fds, count})) return failure("net_ns", "send", "resolver");
  return success();
}

Status send_sockets(int control, int family, int type, uint32_t count) {
  if (type != SOCK_STREAM && type != SOCK_DGRAM) return failure_with(EINVAL, "net_ns", "socket", "stock");
  Fd sockets[kMostSockets];
  int fds[kMostSockets];
  size_t made = 0;
  while (made < count && made < kMostSockets) {
    sockets[made].reset(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!sockets[made]) return failure("net_ns", "socket", "stock");
    fds[made] = sockets[made].get();
    made++;
  }
  ReportWriter report(Report::sockets);
  report.u32(static_cast<uint32_t>(family));
  report.u32(static_cast<uint32_t>(type));
  if (!report.send(control, {fds, made})) return failure("net_ns", "send", "stock");
  return success();
}

}  // namespace skillbox
