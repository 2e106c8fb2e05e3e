// SPDX-License-Identifier: Apache-2.0
//
// The network. Connections go to this machine's loopback only and are closed at once; an address elsewhere is asked for
// its route by a datagram socket, which sends nothing.
#define _GNU_SOURCE
#include "attacks.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int connects(int type, const char *host, const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (host == NULL || port == NULL || atoi(port) <= 0) return CANNOT_TRY;
    address.sin_port = htons((uint16_t)atoi(port));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return CANNOT_TRY;
    int client = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    return outcome(connect(client, (struct sockaddr *)&address, sizeof address));
}

static int control_plane(void) { return connects(SOCK_STREAM, "127.0.0.1", getenv("ATTACK_API_PORT")); }
static int router(void) { return connects(SOCK_STREAM, "127.0.0.1", getenv("ATTACK_ROUTER_PORT")); }
static int metadata(void) { return connects(SOCK_DGRAM, "169.254.169.254", "80"); }
static int outside(void) { return connects(SOCK_DGRAM, "192.0.2.1", "53"); }

static int interfaces(void) {
    struct if_nameindex *all = if_nameindex();
    if (all == NULL) return errno;
    int others = 0;
    for (struct if_nameindex *one = all; one->if_index != 0; one++) others += strcmp(one->if_name, "lo") != 0;
    if_freenameindex(all);
    return others > 0 ? 0 : ENODEV;
}

static int bind_port(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return outcome(bind(server, (struct sockaddr *)&address, sizeof address));
}
static int others_port(void) { return bind_port(0); } // any that is free: the kernel chooses
static int low_port(void) { return bind_port(1); }

static const char space[] = "network namespace";
static const struct attack attacks[] = {
    {"control-plane", "connect to the control plane's port", space, "network-namespace", WORKS, control_plane,
     "network-namespace", NULL},
    {"router", "connect to the router's port", space, "network-namespace", WORKS, router, "network-namespace", NULL},
    {"metadata", "reach the cloud's metadata address", space, "network-namespace", WORKS, metadata, "no-egress",
     "the test machine has no route to it either"},
    {"outside", "reach another machine", space, "network-namespace", WORKS, outside, "no-egress",
     "the test machine has no route either"},
    {"interfaces", "see the machine's network interfaces", space, "network-namespace", WORKS, interfaces,
     "no-egress", "the test machine has none but its loopback either"},
    {"bind-other-port", "listen on a port that is not its own", "Landlock", "landlock-tcp-bind", WORKS, others_port,
     "landlock-tcp-bind", NULL},
    {"bind-low-port", "listen on a port below 1024", "Landlock, capabilities", "everything", WORKS, low_port, NULL,
     NULL},
};
GROUP(network_group, "network", attacks);
