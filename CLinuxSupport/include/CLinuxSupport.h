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
    int new_network_namespace;                ///< non-zero: the program starts in a new network namespace
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
/// Blocks until something happens or the time is over (-1: none); EINTR is returned as 0 events. count is at most 64.
int cls_epoll_wait(int epfd, struct cls_epoll_event *events, int count, int timeout_ms);

/// Accepts a connection, non-blocking and close-on-exec (accept4, which glibc declares only for _GNU_SOURCE); the peer's
/// address goes to *address, a struct sockaddr_storage of *size bytes. A negative errno when there is none.
int cls_accept(int listener, void *address, unsigned int *size);

int cls_eventfd(void);
int cls_timerfd(void);
/// Arms a timerfd for an absolute time of CLOCK_MONOTONIC in nanoseconds; 0 disarms it.
int cls_timerfd_set(int fd, int64_t deadline_ns);
/// A timer on CLOCK_REALTIME that never expires; readable (ECANCELED) once somebody sets that clock.
int cls_clock_watch(void);
/// CLOCK_REALTIME less CLOCK_BOOTTIME, which also counts while the machine sleeps: changes only when the clock is set.
int64_t cls_wall_clock_offset_ns(void);
int64_t cls_monotonic_ns(void);

/// A memory file that the receiver cannot change (memfd_create with all seals).
int cls_sealed_memfd(const char *name, const void *bytes, size_t count);

/// An empty memory file.
int cls_memfd(const char *name);

/// Both ends close-on-exec, the read end also non-blocking.
int cls_pipe(int *read_end, int *write_end);

/// Lets the processes of a cgroup v2 send IPv4 packets to the world and nothing else: none to any of the host's own
/// addresses, link-local or multicast (BPF_PROG_TYPE_CGROUP_SKB). DNS to `resolver`, an address in network byte order or
/// 0, passes wherever that is. Stays with the cgroup. With cgroup_fd -1 it only tries whether the kernel takes it.
int cls_filter_egress(int cgroup_fd, uint32_t resolver);

/// Copies from one pipe into another what stays in the first (tee(2)); 0 when it is empty. Does not block.
int64_t cls_tee(int from, int to, size_t count);

/// Moves bytes out of a pipe (splice(2)); 0 when it is empty. Does not block on the pipe.
int64_t cls_splice(int pipe, int to, size_t count);

/// Stores in one piece, after everything that was stored before: for memory that another process will look at.
void cls_store_release(uint64_t *address, uint64_t value);

/// Descriptors that one message may carry; the kernel's own limit is 253 (SCM_MAX_FD, unix(7)).
#define CLS_MESSAGE_MAX_FDS 253

/// A Unix socket of sort SOCK_SEQPACKET at a path, mode 0600, non-blocking; whatever is at the path is removed first.
int cls_message_listen(const char *path);
/// A connection of a peer with our own effective user id, non-blocking; -EPERM for one of any other, -EAGAIN for none.
int cls_message_accept(int listener);
/// Connects to such a socket. -ENOENT or -ECONNREFUSED when nobody listens, -EAGAIN when its queue is full.
int cls_message_connect(const char *path, int non_blocking);
/// Sends one message with descriptors, which stay the caller's.
int cls_message_send(int socket, const void *bytes, size_t count, const int *fds, int fd_count);
/// Receives one message; returns its bytes, 0 at the end. *fd_count is how many descriptors there is room for in fds,
/// CLS_MESSAGE_MAX_FDS at most, and then how many came; they are the caller's and close-on-exec. -EMSGSIZE for a message
/// that is longer than count, or has more descriptors.
int64_t cls_message_receive(int socket, void *bytes, size_t count, int *fds, int *fd_count);
/// Sends one datagram to a Unix socket; a leading '@' stands for an abstract name.
int cls_datagram_send(const char *path, const void *bytes, size_t count);

/// A TCP socket that listens, non-blocking, with SO_REUSEADDR. May ask a name server. When the name cannot be resolved,
/// *problem says why; static storage.
int cls_tcp_listen(const char *host, uint16_t port, int backlog, const char *_Nullable *_Nonnull problem);

/// A TCP socket of one network namespace; see inet_diag(7).
struct cls_tcp_socket {
    uint8_t family, state; ///< AF_INET or AF_INET6; TCP_ESTABLISHED and so on
    uint16_t port;         ///< the local one, host byte order
    uint32_t address[4];   ///< the local one, network byte order; of AF_INET the first
    uint32_t receive_queue; ///< bytes that wait to be read; of a listening socket connections that wait to be accepted
    uint32_t inode;
};
typedef void (*cls_tcp_socket_handler)(void *_Nullable context, const struct cls_tcp_socket *socket);

/// Hands over the TCP sockets of a network namespace (a descriptor of /proc/PID/ns/net, or -1 for the caller's own) that
/// are in one of these states (bit 1 << TCP_LISTEN and so on), IPv4 before IPv6. -ENOTSUP or another error where the
/// kernel does not answer; some may have been handed over then.
int cls_tcp_sockets(int network_namespace, uint32_t states, cls_tcp_socket_handler take, void *_Nullable context);

/// Marks every descriptor from a number on close-on-exec (close_range(2), Linux 5.11).
int cls_close_on_exec_from(int first);

/// f_type of statfs(2).
int64_t cls_statfs_type(const char *path);

/// "ENOENT" for an error number, null for an unknown one.
const char *_Nullable cls_error_name(int error);

/// Names the calling thread, at most 15 bytes.
void cls_name_thread(const char *name);

/// Gives the calling thread the lowest share of processor and disk (setpriority(2), sched_setscheduler(2) SCHED_BATCH,
/// ioprio_set(2) IDLE). What the kernel refuses is left as it is.
void cls_lower_thread(void);

/// Highest ABI of Landlock that this kernel has.
int cls_landlock_abi(void);

/// Conditions of one rule of a system-call filter.
#define CLS_SECCOMP_MAX_CONDITIONS 6

/// Holds when the masked argument is the value.
struct cls_seccomp_condition {
    uint32_t argument; ///< 0 to 5
    uint64_t mask, value;
};

/// A filter of libseccomp for this machine's architecture, which answers everything with the given errno; the caller
/// frees it. Calls of another architecture end the process.
int cls_seccomp_new(int denial_errno, void *_Nullable *_Nonnull filter);
/// The number of a call; negative for one that exists only on other architectures; -ENOENT for an unknown name.
int cls_seccomp_number(const char *name, int *number);
/// Writes the name of a call of this machine, NUL-terminated; -ENOENT for a number that no call has.
int cls_seccomp_name(int number, char *name, size_t capacity);
/// Answers a call with errno, or allows it when that is 0, where all conditions hold.
int cls_seccomp_add(void *filter, int number, int answer_errno,
                    const struct cls_seccomp_condition *_Nullable conditions, int count);
/// Writes the program, an array of struct sock_filter, to a file.
int cls_seccomp_export(void *filter, int fd);
void cls_seccomp_free(void *filter);
/// AUDIT_ARCH_* of this machine, as a filter sees it.
uint32_t cls_seccomp_architecture(void);

/// 1 while a loop device has the file (loop(4)), else 0.
int cls_has_loop_device(const char *path);

#pragma clang assume_nonnull end
#endif
