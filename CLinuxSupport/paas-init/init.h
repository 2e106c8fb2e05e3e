// SPDX-License-Identifier: Apache-2.0
//
// The parts of paas-init. It is single-threaded and short-lived until the app runs, so it may allocate freely.
#ifndef PAAS_INIT_H
#define PAAS_INIT_H

#include "paas_init_protocol.h"

#include <linux/filter.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

struct mount_entry {
    struct paas_init_mount header;
    const char *source;
    const char *target; // relative: the leading '/' is cut off
};

struct landlock_path {
    struct paas_init_landlock_path header;
    const char *path;
};

// A plan that was checked from end to end. Everything points into one buffer.
struct plan {
    struct paas_init_plan_header header;
    const char *hostname;
    const char *working_directory;
    char **arguments;   // null-terminated
    char **environment; // null-terminated
    struct paas_init_rlimit *rlimits;
    struct mount_entry *mounts;
    struct sock_filter *filter;
    struct landlock_path *landlock_paths;
    struct paas_init_landlock_port *landlock_ports;
};

// errors.c

// Reports a failed start to the agent (error pipe and exit record) and ends. `error` is errno, or 0.
_Noreturn void fail_start(enum paas_init_stage stage, int error, const char *detail);
// The same in the app's child: tells the parent through shared memory, which writes the record.
_Noreturn void fail_app(enum paas_init_stage stage, int error, const char *detail);
// Shared with the app's child until it executes.
struct app_start {
    volatile uint32_t stage; // stays NONE when it started
    volatile int32_t error;
    volatile uint64_t began_boottime_ns; // 0 until nothing but execve is left
};
extern struct app_start *app_start;
// Where the two report to; moves in the child when it closes everything else.
extern int error_descriptor;

// The time of a clock.
uint64_t nanoseconds(clockid_t clock);

// plan.c
void read_plan(struct plan *plan);

// mounts.c
void make_mount_tree(const struct plan *plan);

// special_mounts.c
void mount_proc(int root, const char *target);
void mount_dev(int root, const char *target, uint64_t shm_bytes);
void remove_mask_sources(int root);
void mount_mask(int root, const char *target, enum paas_init_stage stage, bool is_optional);

// mount_api.c: what the mount code is made of. Each ends the start on failure, with the given stage.
struct attributes {
    bool read_only, no_exec, recursive, keep_devices;
};
int new_tmpfs(enum paas_init_stage stage, uint64_t bytes, uint32_t mode, bool no_exec, const char *detail);
int clone_tree(int directory, const char *path, enum paas_init_stage stage, struct attributes attributes);
void attach(int tree, int root, const char *target, enum paas_init_stage stage);
void make_parents(int root, const char *target, enum paas_init_stage stage);
void make_target(int root, const char *target, bool is_directory, enum paas_init_stage stage);
int open_in_root(int root, const char *target);
void set_attributes(int tree, uint64_t set, bool recursive, enum paas_init_stage stage, const char *detail);

// disk.c
void mount_disk(int root, const struct mount_entry *entry);

// join.c
void join_namespaces(const struct plan *plan);

// privileges.c
void set_rlimits(const struct plan *plan);
void drop_privileges(const struct plan *plan);

// network.c
void prepare_network(const struct plan *plan);

// connector.c: descriptors that it has watched at most, one of them the listener's.
enum { CONNECTOR_DESCRIPTORS = 5 };
void open_connector(const struct plan *plan);
void close_connector(void);
// Fills in what to wait for, and returns how many.
size_t watch_connector(struct pollfd *watched);
// Deals with what poll(2) has told of them.
void serve_connector(const struct pollfd *watched, size_t count);
// One packet, with a descriptor (SCM_RIGHTS) unless that is negative. False when it was not taken; does not wait.
bool send_with_descriptor(int socket, const void *bytes, size_t count, int fd);

// denials.c: answers the calls that the app's filter denies, and counts them.
// Before the fork. The child finds its end of a socket pair in denial_link; negative where nobody listens.
void open_denials(const struct plan *plan);
extern int denial_link;
// In the app's child. False: nothing was installed, and the filter is to answer by itself.
bool install_and_pass_on(struct sock_fprog *program);
// After the fork, when the app runs or has failed.
void take_listener(void);
// What to wait for; poll(2) passes over a negative descriptor.
struct pollfd watch_denials(void);
// Milliseconds until there is something to tell; -1 for nothing.
int denials_timeout(void);
// Answers one call at most: signals come first, each time.
void serve_denials(int events);
// At the end of the app: tells everything, and listens no more.
void close_denials(void);

// app.c: everything between fork and exec. The link closes when the app runs, or has failed to.
_Noreturn void run_app(const struct plan *plan, int start_link);

// landlock.c: in the app's child; a failure ends the start.
void restrict_itself(const struct plan *plan);

// supervise.c
_Noreturn void supervise(const struct plan *plan);

#endif
