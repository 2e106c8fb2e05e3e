// SPDX-License-Identifier: Apache-2.0
//
// TCP sockets by NETLINK_SOCK_DIAG (sock_diag(7)). Those that listen have a small table of their own in the kernel, while
// each read of /proc/net/tcp walks the machine's whole table of connections, whatever the network namespace.
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANSWER_BYTES = 32 << 10, ANSWER_SECONDS = 2 };

static bool same_file(int a, int b) {
    struct stat first, second;
    return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// A netlink socket belongs to the network namespace of the thread that makes it: this thread goes there for that moment.
static int diag_socket(int network_namespace) {
    int own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (own < 0) return -errno;
    bool is_elsewhere = network_namespace >= 0 && !same_file(own, network_namespace);
    int fd = -1, error = 0;
    // First whether it may come back: from a user namespace of our own it may not, because this network is not of that.
    if (is_elsewhere && (setns(own, CLONE_NEWNET) != 0 || setns(network_namespace, CLONE_NEWNET) != 0)) {
        error = errno;
    } else {
        fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        if (fd < 0) error = errno;
        // A thread of ours that stayed in an app's network would serve that app as if it were the host.
        if (is_elsewhere && setns(own, CLONE_NEWNET) != 0) abort();
    }
    close(own);
    return fd >= 0 ? fd : -error;
}

static void take_socket(const struct inet_diag_msg *message, cls_tcp_socket_handler take, void *context) {
    struct cls_tcp_socket one = {
        .family = message->idiag_family,
        .state = message->idiag_state,
        .port = ntohs(message->id.idiag_sport),
        .receive_queue = message->idiag_rqueue,
        .inode = message->idiag_inode,
    };
    memcpy(one.address, message->id.idiag_src, sizeof one.address);
    take(context, &one);
}

// 1: the last part of the answer; 0: there is more.
static int take_answer(const struct nlmsghdr *header, size_t left, cls_tcp_socket_handler take, void *context) {
    for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
        if (header->nlmsg_type == NLMSG_DONE) return 1;
        if (header->nlmsg_type == NLMSG_ERROR) {
            const struct nlmsgerr *failure = NLMSG_DATA(header);
            if (header->nlmsg_len < NLMSG_LENGTH(sizeof *failure) || failure->error == 0) return -EPROTO;
            return failure->error;
        }
        if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) continue;
        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) return -EPROTO;
        take_socket(NLMSG_DATA(header), take, context);
    }
    return 0;
}

static int dump(int fd, uint8_t family, uint32_t states, cls_tcp_socket_handler take, void *context) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .body = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = states},
    };
    if (send(fd, &request, sizeof request, 0) < 0) return -errno;
    _Alignas(struct nlmsghdr) char answer[ANSWER_BYTES];
    for (;;) {
        ssize_t count = recv(fd, answer, sizeof answer, 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return -errno;
        if (count == 0) return -EPROTO;
        int result = take_answer((const struct nlmsghdr *)answer, (size_t)count, take, context);
        if (result != 0) return result < 0 ? result : 0;
    }
}

int cls_tcp_sockets(int network_namespace, uint32_t states, cls_tcp_socket_handler take, void *context) {
    int fd = diag_socket(network_namespace);
    if (fd < 0) return fd;
    // The kernel answers at once; a supervisor must not hang on one that does not.
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int result = dump(fd, AF_INET, states, take, context);
    if (result == 0) result = dump(fd, AF_INET6, states, take, context);
    // A kernel without IPv6 has no such sockets.
    if (result == -ENOENT || result == -EAFNOSUPPORT) result = -ENOTSUP;
    close(fd);
    return result;
}
