// SPDX-License-Identifier: Apache-2.0
//
// The network namespace that the agent has made for the run.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// The agent's tool connects the namespace to the outside. paas-init keeps its end of the link open for ever, so that the
// tool learns of the end; the other end closes when the tool, or the agent before it started it, has gone.
static void await_egress(void) {
    char ready;
    ssize_t got;
    do got = read(PAAS_INIT_FD_EGRESS, &ready, 1); while (got < 0 && errno == EINTR);
    if (got != 1) fail_start(PAAS_INIT_STAGE_EGRESS, got < 0 ? errno : 0, NULL);
}

void prepare_network(const struct plan *plan) {
    if (!(plan->header.namespaces & PAAS_INIT_NS_NETWORK)) return;
    // A new namespace's loopback is down, and has no address until it is up. One that is up is somebody else's; only the
    // egress tool may have been faster.
    struct ifreq request = {.ifr_name = "lo"};
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (any < 0 || ioctl(any, SIOCGIFFLAGS, &request) != 0) fail_start(PAAS_INIT_STAGE_LOOPBACK, errno, "lo");
    if ((request.ifr_flags & IFF_UP) && !plan->header.awaits_egress) {
        fail_start(PAAS_INIT_STAGE_LOOPBACK, EPERM, "not a new network namespace");
    }
    request.ifr_flags |= IFF_UP;
    if (ioctl(any, SIOCSIFFLAGS, &request) != 0) fail_start(PAAS_INIT_STAGE_LOOPBACK, errno, "lo");
    close(any);
    if (plan->header.awaits_egress) await_egress();
}
