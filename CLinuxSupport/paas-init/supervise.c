// SPDX-License-Identifier: Apache-2.0
//
// After the start: reap, forward signals, write down how the app ended. Sleeps in poll(2), without a time limit unless
// there are denials to tell later; before the app runs, in read(2), and takes no signal but SIGKILL.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};

// As the shell's for a command that could not be run.
enum { NEVER_BEGUN = 125 };

static uint64_t microseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

// Init goes on only once the app runs or has failed, when the child's end of the link closes. So the app already leads its own
// process group when the first signal is forwarded, and no signal falls between. CLONE_VFORK waits as well, and lets the child go
// first, which is sooner there; but such a wait counts in the machine's load, and one for PAAS_INIT_FD_GO may take weeks. Memory is
// not shared (no CLONE_VM).
static pid_t start_app(const struct plan *plan) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) fail_start(PAAS_INIT_STAGE_FORK, errno, "pipe2");
    // Out of the way of the numbers that the child moves its descriptors to.
    int link = fcntl(ends[1], F_DUPFD_CLOEXEC, PAAS_INIT_FD_COUNT);
    if (link < 0) fail_start(PAAS_INIT_STAGE_FORK, errno, "fcntl");
    close(ends[1]);
    int flags = plan->header.flags & PAAS_INIT_FLAG_WAIT ? 0 : CLONE_VFORK;
    pid_t app = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
    if (app == 0) run_app(plan, link);
    // EAGAIN: pids.max of the cgroup, or RLIMIT_NPROC.
    if (app < 0) fail_start(PAAS_INIT_STAGE_FORK, errno, NULL);
    close(link);
    char none;
    while (read(ends[0], &none, 1) < 0 && errno == EINTR) {}
    close(ends[0]);
    return app;
}

static bool has_message(void) {
    struct pollfd go = {.fd = PAAS_INIT_FD_GO, .events = POLLIN};
    return poll(&go, 1, 0) == 1 && (go.revents & POLLIN);
}

static struct paas_init_exit_record make_record(int status, const struct rusage *usage, uint64_t started) {
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
    if (app_start->stage != PAAS_INIT_STAGE_NONE) {
        record.kind = PAAS_INIT_NOT_STARTED;
        record.stage = app_start->stage;
        record.error = app_start->error;
    } else if (WIFEXITED(status)) {
        record.kind = PAAS_INIT_EXITED;
        record.code = WEXITSTATUS(status);
    } else {
        record.kind = PAAS_INIT_SIGNALED;
        record.signal = WTERMSIG(status);
        record.core_dumped = WCOREDUMP(status) ? 1 : 0;
    }
    return record;
}

// Everything that is left of the app. As pid 1 that is every other process here. Without a pid namespace kill(-1) would
// also hit other instances of the same user: there the agent's cgroup.kill does it.
static void end_the_rest(void) {
    if (getpid() != 1) return;
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR) {}
}

// Nobody may have read yet what the app printed last, and with the last holder of a FIFO its contents go. So the end of
// paas-init is the agent's to decide, of this one or the next: it reads, then kills. The record stays in the FIFO until
// then, also when the disk was too full for the file. If it cannot be written, the end of paas-init itself must tell.
static void linger(const struct paas_init_exit_record *record) {
    ssize_t written;
    do {
        written = write(PAAS_INIT_FD_ENDED, record, sizeof *record);
    } while (written < 0 && errno == EINTR);
    // Every signal but SIGKILL is blocked, so pause does not return.
    while (written == sizeof *record) pause();
}

static _Noreturn void finish(const struct plan *plan, int status, const struct rusage *usage, uint64_t started) {
    struct paas_init_exit_record record = make_record(status, usage, started);
    close_denials();
    // Nobody is left to tell if this fails (a full disk): without a record the agent reports an unknown end, which is
    // the truth.
    while (pwrite(PAAS_INIT_FD_EXIT_RECORD, &record, sizeof record, 0) < 0 && errno == EINTR) {}
    close(PAAS_INIT_FD_EXIT_RECORD);
    end_the_rest();
    if (plan->header.flags & PAAS_INIT_FLAG_LINGER) linger(&record);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

// Many children may have ended for one SIGCHLD.
static void reap(const struct plan *plan, pid_t app, uint64_t started) {
    for (;;) {
        int status;
        struct rusage usage;
        pid_t ended = wait4(-1, &status, WNOHANG | __WALL, &usage);
        if (ended == app) finish(plan, status, &usage, started);
        if (ended == 0 || (ended < 0 && errno != EINTR)) return;
    }
}

static int watch_signals(void) {
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, PAAS_INIT_SIGNAL_KILL);
    for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) sigaddset(&awaited, forwarded[i]);
    int signals = signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) fail_start(PAAS_INIT_STAGE_FORK, errno, "signalfd");
    return signals;
}

static void take_signals(const struct plan *plan, int signals, pid_t app, uint64_t started) {
    struct signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD) {
            reap(plan, app, started);
        } else if (info.ssi_signo == PAAS_INIT_SIGNAL_KILL) {
            // Not reaped yet, so the number is the app's. The rest dies with the pid namespace, or by cgroup.kill; beside an
            // app neither ends with the command, so its group does.
            kill(plan->header.flags & PAAS_INIT_FLAG_JOIN ? -app : app, SIGKILL);
        } else {
            // ESRCH: the group is empty, its SIGCHLD is on the way.
            kill(-app, (int)info.ssi_signo);
        }
    }
}

_Noreturn void supervise(const struct plan *plan) {
    int signals = watch_signals();
    open_denials(plan);
    pid_t app = start_app(plan);
    uint64_t started = app_start->began_boottime_ns;
    if (started == 0) {
        // Nobody wants the run that waited, or its process was killed. Not a run that ended: it has never begun, unless the message
        // was there already.
        if ((plan->header.flags & PAAS_INIT_FLAG_WAIT) && !has_message()) _exit(NEVER_BEGUN);
        started = nanoseconds(CLOCK_BOOTTIME);
    }
    take_listener();
    // The app's copy is gone by execve: with this one closed the agent reads end of file.
    close(PAAS_INIT_FD_ERROR);

    for (;;) {
        struct pollfd watched[2 + CONNECTOR_DESCRIPTORS] = {{.fd = signals, .events = POLLIN}, watch_denials()};
        size_t connector = watch_connector(watched + 2);
        if (poll(watched, 2 + connector, denials_timeout()) < 0) continue;
        // Before the connector: nobody is to be led to an app that has ended.
        if (watched[0].revents != 0) take_signals(plan, signals, app, started);
        serve_connector(watched + 2, connector);
        serve_denials(watched[1].revents);
    }
}
