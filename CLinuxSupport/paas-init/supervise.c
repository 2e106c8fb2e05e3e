// SPDX-License-Identifier: Apache-2.0
//
// After the start: reap, forward signals, write down how the app ended. Sleeps in sigwaitinfo; no timer, no poll.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t microseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

// CLONE_VFORK: init goes on only once the app runs or has failed. So the app already leads its own process group when
// the first signal is forwarded, and no signal falls between. Memory is not shared (no CLONE_VM).
static pid_t start_app(const struct plan *plan) {
    pid_t app = (pid_t)syscall(SYS_clone, CLONE_VFORK | SIGCHLD, NULL, NULL, NULL, NULL);
    if (app == 0) run_app(plan);
    // EAGAIN: pids.max of the cgroup, or RLIMIT_NPROC.
    if (app < 0) fail_start(PAAS_INIT_STAGE_FORK, errno, NULL);
    return app;
}

static void write_record(int status, const struct rusage *usage, uint64_t started) {
    struct paas_init_exit_record record = {
        .magic = PAAS_INIT_EXIT_MAGIC,
        .version = PAAS_INIT_EXIT_VERSION,
        .size = sizeof record,
        .user_us = microseconds(usage->ru_utime),
        .system_us = microseconds(usage->ru_stime),
        .max_rss_bytes = (uint64_t)usage->ru_maxrss * 1024,
        .started_boottime_ns = started,
        .ended_boottime_ns = nanoseconds(CLOCK_BOOTTIME),
        .ended_realtime_ns = nanoseconds(CLOCK_REALTIME),
    };
    if (child_failure->stage != PAAS_INIT_STAGE_NONE) {
        record.kind = PAAS_INIT_NOT_STARTED;
        record.stage = child_failure->stage;
        record.error = child_failure->error;
    } else if (WIFEXITED(status)) {
        record.kind = PAAS_INIT_EXITED;
        record.code = WEXITSTATUS(status);
    } else {
        record.kind = PAAS_INIT_SIGNALED;
        record.signal = WTERMSIG(status);
        record.core_dumped = WCOREDUMP(status) ? 1 : 0;
    }
    // Nobody is left to tell if this fails (a full disk): without a record the agent reports an unknown end, which is
    // the truth.
    while (pwrite(PAAS_INIT_FD_EXIT_RECORD, &record, sizeof record, 0) < 0 && errno == EINTR) {}
    close(PAAS_INIT_FD_EXIT_RECORD);
}

// Everything that is left of the app. As pid 1 that is every other process here. Without a pid namespace kill(-1) would
// also hit other instances of the same user: there the agent's cgroup.kill does it.
static void end_the_rest(void) {
    if (getpid() != 1) return;
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR) {}
}

static _Noreturn void finish(int status, const struct rusage *usage, uint64_t started) {
    write_record(status, usage, started);
    end_the_rest();
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

// Many children may have ended for one SIGCHLD.
static void reap(pid_t app, uint64_t started) {
    for (;;) {
        int status;
        struct rusage usage;
        pid_t ended = wait4(-1, &status, WNOHANG | __WALL, &usage);
        if (ended == app) finish(status, &usage, started);
        if (ended == 0 || (ended < 0 && errno != EINTR)) return;
    }
}

_Noreturn void supervise(const struct plan *plan) {
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaddset(&awaited, forwarded[i]);

    uint64_t started = nanoseconds(CLOCK_BOOTTIME);
    pid_t app = start_app(plan);
    // The app's copy is gone by execve: with this one closed the agent reads end of file.
    close(PAAS_INIT_FD_ERROR);

    for (;;) {
        siginfo_t info;
        int signal = sigwaitinfo(&awaited, &info);
        if (signal == SIGCHLD) {
            reap(app, started);
        } else if (signal > 0) {
            // ESRCH: the group is empty, its SIGCHLD is on the way.
            kill(-app, signal);
        }
    }
}
