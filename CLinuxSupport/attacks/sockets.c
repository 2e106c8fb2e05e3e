// SPDX-License-Identifier: Apache-2.0
//
// Sockets of families that an app has no use for.
#define _GNU_SOURCE
#include "attacks.h"

#include <sys/socket.h>

#define SOCKET(identifier, family, type, protocol) \
    static int identifier(void) { return outcome(socket(family, type, protocol)); }

SOCKET(crypto, 38 /* AF_ALG */, SOCK_SEQPACKET, 0)
SOCKET(hypervisor, 40 /* AF_VSOCK */, SOCK_STREAM, 0)
SOCKET(packets, AF_PACKET, SOCK_RAW, 0)
SOCKET(raw, AF_INET, SOCK_RAW, 255)
SOCKET(multipath, AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */)
SOCKET(sctp, AF_INET, SOCK_SEQPACKET, 132 /* IPPROTO_SCTP */)
SOCKET(dccp, AF_INET, 6 /* SOCK_DCCP */, 33)
SOCKET(light, AF_INET, SOCK_DGRAM, 136 /* IPPROTO_UDPLITE */)
SOCKET(diagnosis, AF_NETLINK, SOCK_RAW, 4 /* NETLINK_SOCK_DIAG */)
SOCKET(firewall, AF_NETLINK, SOCK_RAW, 12 /* NETLINK_NETFILTER */)
SOCKET(uevents, AF_NETLINK, SOCK_RAW, 15 /* NETLINK_KOBJECT_UEVENT */)
SOCKET(bluetooth, 31, SOCK_RAW, 1)
SOCKET(tipc, 30, SOCK_STREAM, 0)
SOCKET(bus, 29 /* AF_CAN */, SOCK_RAW, 1)

static const struct attack attacks[] = {
    {"af-alg", "use the kernel's crypto", "seccomp", "seccomp", REACHES, crypto, NULL, NULL},
    {"af-vsock", "talk to the hypervisor", "seccomp", "seccomp", REACHES, hypervisor, NULL, NULL},
    {"af-packet", "see packets", "seccomp, capabilities", "everything", REACHES, packets, NULL, NULL},
    {"raw-socket", "make packets", "seccomp, capabilities", "everything", REACHES, raw, NULL, NULL},
    {"mptcp", "open a Multipath TCP socket, which Landlock does not see", "seccomp", "seccomp", REACHES, multipath,
     NULL, NULL},
    {"sctp", "open an SCTP socket", "seccomp", "seccomp", REACHES, sctp, NULL, NULL},
    {"dccp", "open a DCCP socket", "seccomp", "seccomp", REACHES, dccp, NULL, NULL},
    {"udp-lite", "open a UDP-Lite socket", "seccomp", "seccomp", REACHES, light, NULL, NULL},
    {"sock-diag", "list the sockets of the machine", "seccomp", "seccomp", REACHES, diagnosis, NULL, NULL},
    {"netfilter", "talk to the firewall", "seccomp", "seccomp", REACHES, firewall, NULL, NULL},
    {"uevent", "listen to devices come and go", "seccomp", "seccomp", REACHES, uevents, NULL, NULL},
    {"af-bluetooth", "open a Bluetooth socket", "seccomp", "seccomp", REACHES, bluetooth, NULL, NULL},
    {"af-tipc", "open a TIPC socket", "seccomp", "seccomp", REACHES, tipc, NULL, NULL},
    {"af-can", "open a CAN socket", "seccomp", "seccomp", REACHES, bus, NULL, NULL},
};
GROUP(socket_group, "sockets", attacks);
