// SPDX-License-Identifier: Apache-2.0
//
// What Swift cannot call: clone3 and the other system calls without a C library wrapper, and variadic ones.
// Every function returns a value >= 0, or a negative errno.
#ifndef CLS_CLINUXSUPPORT_H
#define CLS_CLINUXSUPPORT_H

#include <stdint.h>
#include <sys/types.h>

#include "paas_init_protocol.h"

#pragma clang assume_nonnull begin

/// Descriptors 0 up to this number, exclusive, are what a spawned executor may be given.
#define CLS_SPAWN_MAX_FDS 16

/// What cls_spawn does. All pointers are only read, and only during the call.
struct cls_spawn_request {
    const char *path;                         ///< program to execute
    char *_Nullable const *_Nonnull argv;             ///< null-terminated
    char *_Nullable const *_Nonnull envp;             ///< null-terminated
    int cgroup_fd;                            ///< directory of a cgroup v2, or -1 to stay
    int keep_signals_blocked;                 ///< non-zero: the program starts with every signal blocked
    int new_pid_namespace;                    ///< non-zero: the program becomes pid 1 of a new pid namespace
    int fd_count;                             ///< number of entries in fds
    const int *fds;                           ///< fds[i] becomes descriptor i; everything above is closed
};

struct cls_spawn_result {
    pid_t pid;
    int pidfd;            ///< owned by the caller, close-on-exec
    const char *_Nullable stage; ///< after an error: "clone3", "dup2" or "execve"; static storage
};

/// Starts a program by clone3(CLONE_PIDFD | CLONE_INTO_CGROUP | CLONE_VM | CLONE_VFORK): the caller is suspended
/// until the program runs or has failed to, so a failure of execve is reported as this call's own.
int cls_spawn(const struct cls_spawn_request *request, struct cls_spawn_result *result);

int cls_pidfd_open(pid_t pid);
int cls_pidfd_send_signal(int pidfd, int signal);

struct cls_exit_status {
    int code;   ///< CLD_EXITED, CLD_KILLED or CLD_DUMPED
    int status; ///< exit code or signal number
};

/// Reaps a child without blocking: 1 with the status, 0 when it still runs, -ECHILD when it is not our child.
int cls_pidfd_wait(int pidfd, struct cls_exit_status *status);

/// Exit status of a process that somebody reaped, child or not (PIDFD_GET_INFO with PIDFD_INFO_EXIT, Linux 6.15).
/// 1 with wait(2)'s encoding in *wait_status, 0 when the kernel does not have it, or a negative errno.
int cls_pidfd_exit_info(int pidfd, int *wait_status);

struct cls_epoll_event {
    uint64_t data;
    uint32_t events;
};

int cls_epoll_create(void);
int cls_epoll_add(int epfd, int fd, uint32_t events, uint64_t data);
int cls_epoll_delete(int epfd, int fd);
/// Blocks until something happens; EINTR is returned as 0 events. count is at most 64.
int cls_epoll_wait(int epfd, struct cls_epoll_event *events, int count);

int cls_eventfd(void);
int cls_timerfd(void);
/// Arms a timerfd for an absolute time of CLOCK_MONOTONIC in nanoseconds; 0 disarms it.
int cls_timerfd_set(int fd, int64_t deadline_ns);
int64_t cls_monotonic_ns(void);

/// A memory file that the receiver cannot change (memfd_create with all seals).
int cls_sealed_memfd(const char *name, const void *bytes, size_t count);

/// An empty memory file.
int cls_memfd(const char *name);

/// Both ends close-on-exec, the read end also non-blocking.
int cls_pipe(int *read_end, int *write_end);

/// f_type of statfs(2).
int64_t cls_statfs_type(const char *path);

/// "ENOENT" for an error number, null for an unknown one.
const char *_Nullable cls_error_name(int error);

/// Names the calling thread, at most 15 bytes.
void cls_name_thread(const char *name);

#pragma clang assume_nonnull end
#endif
