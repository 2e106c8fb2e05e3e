// SPDX-License-Identifier: Apache-2.0
//
// Sockets that hand descriptors from one process to another: Unix sockets that carry messages with descriptors (SCM_RIGHTS,
// unix(7)), which need control messages that Swift cannot lay out, and TCP sockets bound before anybody serves them.
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

// A Unix socket and the address of a path. An address holds 107 bytes only: a longer path is written as one below
// /proc/self/fd, of its directory, which *directory then is and which the caller closes; else that is -1.
static int unix_socket(const char *path, int type, struct sockaddr_un *address, socklen_t *length, int *directory) {
    char shorter[sizeof address->sun_path];
    *directory = -1;
    if (strlen(path) >= sizeof address->sun_path) {
        const char *name = strrchr(path, '/');
        char parent[PATH_MAX];
        if (name == NULL || (size_t)(name - path) >= sizeof parent) return -ENAMETOOLONG;
        memcpy(parent, path, (size_t)(name - path));
        parent[name - path] = '\0';
        *directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*directory < 0) return -errno;
        int written = snprintf(shorter, sizeof shorter, "/proc/self/fd/%d%s", *directory, name);
        path = written < (int)sizeof shorter ? shorter : "";
    }
    size_t count = strlen(path);
    int fd = -1, error = ENAMETOOLONG;
    if (count > 0) {
        memset(address, 0, sizeof *address);
        address->sun_family = AF_UNIX;
        memcpy(address->sun_path, path, count);
        *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + count);
        // systemd's way of writing an abstract name.
        if (path[0] == '@') address->sun_path[0] = '\0';
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        error = errno;
    }
    if (fd >= 0) return fd;
    if (*directory >= 0) close(*directory);
    *directory = -1;
    return -error;
}

static int close_with(int fd, int error) {
    close(fd);
    return -error;
}

int cls_message_listen(const char *path) {
    struct sockaddr_un address;
    socklen_t length;
    int directory;
    int fd = unix_socket(path, SOCK_SEQPACKET | SOCK_NONBLOCK, &address, &length, &directory);
    if (fd < 0) return fd;
    unlink(path);
    // Nobody can connect before listen, so there is no moment at which others could.
    int error = 0;
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || chmod(path, 0600) < 0 || listen(fd, 16) < 0) error = errno;
    if (directory >= 0) close(directory);
    return error == 0 ? fd : close_with(fd, error);
}

int cls_message_accept(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return -errno;
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0) return close_with(fd, errno);
    return peer.uid == geteuid() ? fd : close_with(fd, EPERM);
}

int cls_message_connect(const char *path, int non_blocking) {
    struct sockaddr_un address;
    socklen_t length;
    int directory;
    int fd = unix_socket(path, SOCK_SEQPACKET | (non_blocking ? SOCK_NONBLOCK : 0), &address, &length, &directory);
    if (fd < 0) return fd;
    int error = connect(fd, (struct sockaddr *)&address, length) < 0 ? errno : 0;
    if (directory >= 0) close(directory);
    return error == 0 ? fd : close_with(fd, error);
}

int cls_close_on_exec_from(int first) {
    return syscall(SYS_close_range, (unsigned)first, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

int cls_datagram_send(const char *path, const void *bytes, size_t count) {
    struct sockaddr_un address;
    socklen_t length;
    int directory;
    int fd = unix_socket(path, SOCK_DGRAM, &address, &length, &directory);
    if (fd < 0) return fd;
    ssize_t sent = sendto(fd, bytes, count, MSG_NOSIGNAL, (struct sockaddr *)&address, length);
    int error = sent < 0 ? errno : 0;
    if (directory >= 0) close(directory);
    return close_with(fd, error);
}

union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(CLS_MESSAGE_MAX_FDS * sizeof(int))];
};

int cls_message_send(int socket, const void *bytes, size_t count, const int *fds, int fd_count) {
    if (fd_count < 0 || fd_count > CLS_MESSAGE_MAX_FDS) return -EINVAL;
    union control control;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE((size_t)fd_count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)fd_count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, (size_t)fd_count * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

int64_t cls_message_receive(int socket, void *bytes, size_t count, int *fds, int *fd_count) {
    union control control;
    struct iovec part = {.iov_base = bytes, .iov_len = count};
    if (*fd_count < 0 || *fd_count > CLS_MESSAGE_MAX_FDS) return -EINVAL;
    // CMSG_LEN and not CMSG_SPACE: the padding would make room for one more.
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
        .msg_controllen = *fd_count > 0 ? CMSG_LEN((size_t)*fd_count * sizeof(int)) : 0};
    *fd_count = 0;
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) return -errno;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        int got = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds + *fd_count, CMSG_DATA(header), (size_t)got * sizeof(int));
        *fd_count += got;
    }
    // A message that was cut is not the one that was sent.
    if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (int i = 0; i < *fd_count; i++) close(fds[i]);
        *fd_count = 0;
        return -EMSGSIZE;
    }
    return received;
}

int cls_tcp_listen(const char *host, uint16_t port, int backlog, const char **problem) {
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    *problem = NULL;
    int result = getaddrinfo(host, service, &hints, &found);
    if (result != 0) {
        *problem = gai_strerror(result);
        return result == EAI_SYSTEM ? -errno : -EADDRNOTAVAIL;
    }
    int error = EADDRNOTAVAIL;
    for (struct addrinfo *one = found; one != NULL; one = one->ai_next) {
        int fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, one->ai_protocol);
        if (fd < 0) {
            error = errno;
            continue;
        }
        int on = 1;
        if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
            bind(fd, one->ai_addr, one->ai_addrlen) == 0 && listen(fd, backlog) == 0) {
            freeaddrinfo(found);
            return fd;
        }
        error = errno;
        close(fd);
    }
    freeaddrinfo(found);
    return -error;
}
