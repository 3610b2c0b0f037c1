import { errno, refuse } from "./denial.js";
import { low, type SeccompRule } from "./profile.js";

/** Base denials of the socket calls. Families, types, protocols and flags are ints to the kernel: only their low halves count. */

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const MSG_FASTOPEN = 0x2000_0000;
const fastOpen =
  "MSG_FASTOPEN connects without connect(), whose judgement it would miss; the errno is that of a kernel with it off.";

export const socketDenials: readonly SeccompRule[] = [
  refuse(
    "socket",
    errno.EAFNOSUPPORT,
    "Only Unix, IPv4, IPv6 and netlink sockets: vsock reaches the hypervisor, packet and XDP the wire, SMC and RDS go around TCP, ALG and the rest are kernel code for nobody here.",
    low(0, "NE", AF_UNIX),
    low(0, "NE", AF_INET),
    low(0, "NE", AF_INET6),
    low(0, "NE", AF_NETLINK),
  ),
  ...[AF_INET, AF_INET6].flatMap((family) => [
    // net/socket.c takes the type from the low four bits (SOCK_TYPE_MASK); SOCK_CLOEXEC and SOCK_NONBLOCK lie above.
    refuse(
      "socket",
      errno.EPERM,
      "Stream and datagram sockets only: no raw packets, no SOCK_PACKET (an alias of AF_PACKET), no SCTP, no DCCP.",
      low(0, "EQ", family),
      low(1, "GT", 2, 0xf),
    ),
    refuse(
      "socket",
      errno.EPROTONOSUPPORT,
      "TCP and UDP only: MPTCP, SMC, SCTP, UDP-Lite, L2TP and ping sockets are not judged by the egress rules. Go falls back from MPTCP on this errno.",
      low(0, "EQ", family),
      low(2, "NE", 0),
      low(2, "NE", 6),
      low(2, "NE", 17),
    ),
  ]),
  refuse(
    "socket",
    errno.EPROTONOSUPPORT,
    "Of netlink only NETLINK_ROUTE, which getifaddrs needs: netfilter, audit, crypto and xfrm are the kernel's most attacked parsers.",
    low(0, "EQ", AF_NETLINK),
    low(2, "NE", 0),
  ),
  refuse(
    "socketpair",
    errno.EOPNOTSUPP,
    "Pairs exist for Unix sockets; only TIPC knows others.",
    low(0, "NE", AF_UNIX),
  ),
  refuse(
    "setsockopt",
    errno.ENOPROTOOPT,
    "TCP_ULP puts kernel TLS and its like on a connection: parsers with a record of root exploits, which programs do without.",
    low(1, "EQ", 6),
    low(2, "EQ", 31),
  ),
  refuse("sendto sendmmsg", errno.EOPNOTSUPP, fastOpen, low(3, "NE", 0, MSG_FASTOPEN)),
  refuse("sendmsg", errno.EOPNOTSUPP, fastOpen, low(2, "NE", 0, MSG_FASTOPEN)),
];
