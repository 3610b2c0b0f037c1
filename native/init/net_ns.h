// The network namespace: only `lo`, and with egress every address there is, on `lo`.
#pragma once

#include <cstdint>

#include "../sys/status.h"

namespace skillbox {

// Brings `lo` of the new network namespace up; the program's own 127.0.0.1 and ::1 work from then on.
Status bring_loopback_up();

// Makes every destination local ("AnyIP"): a connect() to any address looks for a listener in this namespace. `proc` is a
// proc mount whose sysctls are ours. Needs CAP_NET_ADMIN.
Status make_every_address_local(int proc);

// Sockets on port 53 for every address, UDP and TCP, sent to the supervisor. Needs CAP_NET_BIND_SERVICE, which the
// program lacks: it cannot take the port.
Status send_resolver_sockets(int control);

// Unbound sockets of this namespace (SOCK_STREAM, SOCK_DGRAM), for the supervisor to bind to what a program connects to, or to
// connect to what it serves.
Status send_sockets(int control, int family, int type, uint32_t count);

}  // namespace skillbox
