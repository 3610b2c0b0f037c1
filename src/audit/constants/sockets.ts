import { enumeration, field, flags } from "../flag-table.js";

/** linux/socket.h of the kernel's own include; the C library has the same list in bits/socket.h. */
const addressFamily = enumeration(`
  0 AF_UNSPEC AF_UNIX AF_INET AF_AX25 AF_IPX AF_APPLETALK AF_NETROM AF_BRIDGE AF_ATMPVC AF_X25 AF_INET6 AF_ROSE
    AF_DECnet AF_NETBEUI AF_SECURITY AF_KEY AF_NETLINK AF_PACKET AF_ASH AF_ECONET AF_ATMSVC AF_RDS AF_SNA AF_IRDA
    AF_PPPOX AF_WANPIPE AF_LLC AF_IB AF_MPLS AF_CAN AF_TIPC AF_BLUETOOTH AF_IUCV AF_RXRPC AF_ISDN AF_PHONET
    AF_IEEE802154 AF_CAIF AF_ALG AF_NFC AF_VSOCK AF_KCM AF_QIPCRTR AF_SMC AF_XDP AF_MCTP
`);

/** linux/net.h: SOCK_TYPE_MASK is 0xf; the flags above it are O_NONBLOCK and O_CLOEXEC. */
const socketType = flags({
  ...field(0xf, "1 SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_DCCP 10 SOCK_PACKET"),
  SOCK_NONBLOCK: 0o4000,
  SOCK_CLOEXEC: 0o2000000,
});
const acceptFlags = flags({ SOCK_NONBLOCK: 0o4000, SOCK_CLOEXEC: 0o2000000 });

/** asm-generic/socket.h, linux/in.h and linux/socket.h of the kernel's own include. */
const socketLevel = enumeration(
  `0 SOL_IP SOL_SOCKET 262 SOL_X25 SOL_PACKET SOL_ATM SOL_AAL SOL_IRDA SOL_NETBEUI SOL_LLC SOL_DCCP SOL_NETLINK SOL_TIPC
     SOL_RXRPC SOL_PPPOL2TP SOL_BLUETOOTH SOL_PNPIPE SOL_RDS SOL_IUCV SOL_CAIF SOL_ALG SOL_NFC SOL_KCM SOL_TLS SOL_XDP
     SOL_MPTCP SOL_MCTP SOL_SMC SOL_VSOCK`,
  { SOL_TCP: 6, SOL_UDP: 17, SOL_IPV6: 41, SOL_ICMPV6: 58, SOL_SCTP: 132, SOL_UDPLITE: 136, SOL_RAW: 255 },
);

/** linux/net.h. */
const shutdownHow = enumeration("0 SHUT_RD SHUT_WR SHUT_RDWR");

/** linux/socket.h of the kernel's own include. */
const messageFlags = flags({
  MSG_OOB: 0x1,
  MSG_PEEK: 0x2,
  MSG_DONTROUTE: 0x4,
  MSG_CTRUNC: 0x8,
  MSG_PROBE: 0x10,
  MSG_TRUNC: 0x20,
  MSG_DONTWAIT: 0x40,
  MSG_EOR: 0x80,
  MSG_WAITALL: 0x100,
  MSG_FIN: 0x200,
  MSG_SYN: 0x400,
  MSG_CONFIRM: 0x800,
  MSG_RST: 0x1000,
  MSG_ERRQUEUE: 0x2000,
  MSG_NOSIGNAL: 0x4000,
  MSG_MORE: 0x8000,
  MSG_WAITFORONE: 0x1_0000,
  MSG_BATCH: 0x4_0000,
  MSG_ZEROCOPY: 0x0400_0000,
  MSG_FASTOPEN: 0x2000_0000,
  MSG_CMSG_CLOEXEC: 0x4000_0000,
});

export const socketTables = {
  addressFamily,
  socketType,
  acceptFlags,
  socketLevel,
  shutdownHow,
  messageFlags,
};
