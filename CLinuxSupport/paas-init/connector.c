// SPDX-License-Identifier: Apache-2.0
//
// The way into the app's network namespace: whoever may open the run's socket (the agent, and the one that comes after
// it) asks, and gets a TCP socket that is on its way to the app's port. Nothing here waits for the app or for the agent.
#define _GNU_SOURCE
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// One agent, and its successor while it takes over. Others wait in the listener's queue.
enum { CLIENTS = CONNECTOR_DESCRIPTORS - 1, REQUESTS_PER_TURN = 64 };

static int clients[CLIENTS];
static int client_count;
static uint32_t port;

void open_connector(const struct plan *plan) {
    port = plan->header.connector_port;
    if (port == 0) return;
    int flags = fcntl(PAAS_INIT_FD_CONNECTOR, F_GETFL);
    if (flags < 0 || fcntl(PAAS_INIT_FD_CONNECTOR, F_SETFL, flags | O_NONBLOCK) != 0) {
        fail_start(PAAS_INIT_STAGE_CONNECTOR, errno, NULL);
    }
}

void close_connector(void) {
    while (client_count > 0) close(clients[--client_count]);
    close(PAAS_INIT_FD_CONNECTOR);
    port = 0;
}

size_t watch_connector(struct pollfd *watched) {
    if (port == 0) return 0;
    size_t count = 0;
    for (int i = 0; i < client_count; i++) watched[count++] = (struct pollfd){.fd = clients[i], .events = POLLIN};
    if (client_count < CLIENTS) watched[count++] = (struct pollfd){.fd = PAAS_INIT_FD_CONNECTOR, .events = POLLIN};
    return count;
}

// A socket that is connected or still connecting, or a negative errno. On loopback the handshake is over when connect
// returns, unless the app's queue is full: then it is the agent that waits for it, not init.
static int connect_to_app(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS) return fd;
    int error = errno;
    close(fd);
    return -error;
}

bool send_with_descriptor(int socket, const void *bytes, size_t count, int fd) {
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        control.header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
        };
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
        message.msg_control = &control;
        message.msg_controllen = sizeof control.bytes;
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)count;
}

// One answer. False when the client does not take it: answers are small and the client keeps few requests open, so that
// one has gone wrong and is let go.
static bool send_answer(int client, int fd) {
    struct paas_init_connector_answer answer = {.error = fd < 0 ? -fd : 0};
    return send_with_descriptor(client, &answer, sizeof answer, fd);
}

static bool answer_one(int client) {
    int fd = connect_to_app();
    bool taken = send_answer(client, fd);
    // The app has used up what its user may have under way in Unix sockets (unix(7)): its own doing, said to the agent.
    if (!taken && fd >= 0 && errno == ETOOMANYREFS) taken = send_answer(client, -ETOOMANYREFS);
    if (fd >= 0) close(fd);
    return taken;
}

// False when the client is gone or talks nonsense. A bounded number of requests at a time: signals come first.
static bool serve_client(int client) {
    for (int i = 0; i < REQUESTS_PER_TURN; i++) {
        struct paas_init_connector_request request;
        ssize_t got = recv(client, &request, sizeof request, MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0) return errno == EAGAIN || errno == EINTR;
        if (got != (ssize_t)sizeof request || request.magic != PAAS_INIT_CONNECTOR_MAGIC) return false;
        if (!answer_one(client)) return false;
    }
    return true;
}

static void drop_client(int client) {
    for (int i = 0; i < client_count; i++) {
        if (clients[i] == client) clients[i] = clients[--client_count];
    }
    close(client);
}

void serve_connector(const struct pollfd *watched, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (watched[i].revents == 0) continue;
        if (watched[i].fd != PAAS_INIT_FD_CONNECTOR) {
            if (!serve_client(watched[i].fd)) drop_client(watched[i].fd);
            continue;
        }
        int client = accept4(PAAS_INIT_FD_CONNECTOR, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        // It was watched, so there is room. ECONNABORTED, EMFILE: whoever asked finds out.
        if (client >= 0) clients[client_count++] = client;
    }
}
