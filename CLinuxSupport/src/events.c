// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { MAX_EVENTS = 64 };

int cls_epoll_create(void) {
    int fd = epoll_create1(EPOLL_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int cls_epoll_add(int epfd, int fd, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int cls_epoll_delete(int epfd, int fd) {
    return epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

int cls_epoll_wait(int epfd, struct cls_epoll_event *events, int count, int timeout_ms) {
    struct epoll_event raw[MAX_EVENTS];
    int ready = epoll_wait(epfd, raw, count < MAX_EVENTS ? count : MAX_EVENTS, timeout_ms);
    if (ready < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < ready; i++) {
        events[i].data = raw[i].data.u64;
        events[i].events = raw[i].events;
    }
    return ready;
}

int cls_accept(int listener, void *address, unsigned int *size) {
    int fd = accept4(listener, address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int cls_eventfd(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int cls_timerfd(void) {
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int cls_timerfd_set(int fd, int64_t deadline_ns) {
    struct itimerspec time = {
        .it_value = {.tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000},
    };
    return timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, NULL) < 0 ? -errno : 0;
}

int cls_clock_watch(void) {
    int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) return -errno;
    // Far beyond every clock. The kernel cancels only a timer that is armed.
    struct itimerspec never = {.it_value = {.tv_sec = 9000000000}};
    if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL) == 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

int64_t cls_wall_clock_offset_ns(void) {
    struct timespec wall, boot;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (int64_t)(wall.tv_sec - boot.tv_sec) * 1000000000 + (wall.tv_nsec - boot.tv_nsec);
}

int64_t cls_monotonic_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int cls_sealed_memfd(const char *name, const void *bytes, size_t count) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) return -errno;
    const char *rest = bytes;
    while (count > 0) {
        ssize_t written = write(fd, rest, count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) goto failed;
        rest += written;
        count -= (size_t)written;
    }
    if (lseek(fd, 0, SEEK_SET) < 0) goto failed;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) goto failed;
    return fd;
failed:;
    int error = errno;
    close(fd);
    return -error;
}

int64_t cls_statfs_type(const char *path) {
    struct statfs information;
    return statfs(path, &information) < 0 ? -errno : (int64_t)information.f_type;
}

int cls_pipe(int *read_end, int *write_end) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -errno;
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        return -error;
    }
    *read_end = ends[0];
    *write_end = ends[1];
    return 0;
}

int cls_memfd(const char *name) {
    int fd = memfd_create(name, MFD_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int64_t cls_tee(int from, int to, size_t count) {
    for (;;) {
        ssize_t copied = tee(from, to, count, SPLICE_F_NONBLOCK);
        if (copied >= 0) return copied;
        if (errno == EAGAIN) return 0;
        if (errno != EINTR) return -errno;
    }
}

int64_t cls_splice(int pipe, int to, size_t count) {
    for (;;) {
        ssize_t moved = splice(pipe, NULL, to, NULL, count, SPLICE_F_NONBLOCK);
        if (moved >= 0) return moved;
        if (errno == EAGAIN) return 0;
        if (errno != EINTR) return -errno;
    }
}

void cls_store_release(uint64_t *address, uint64_t value) {
    __atomic_store_n(address, value, __ATOMIC_RELEASE);
}
