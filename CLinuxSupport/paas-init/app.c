// SPDX-License-Identifier: Apache-2.0
//
// The app's side of the fork: privileges are gone already, what is left is what init must not do to itself.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Descriptors that stay until execve, which closes them; each moves to the next number behind the standard ones.
static int go = PAAS_INIT_FD_GO, start_link;

static void own_session(const struct plan *plan) {
    // Own process group too: what signals are forwarded to.
    if (setsid() < 0) fail_app(PAAS_INIT_STAGE_APP_SESSION, errno, NULL);
    if ((plan->header.flags & PAAS_INIT_FLAG_TERMINAL) && ioctl(STDIN_FILENO, TIOCSCTTY, 0) != 0) {
        fail_app(PAAS_INIT_STAGE_APP_TERMINAL, errno, NULL);
    }
}

static void move_descriptor(int *fd, int place) {
    if (dup3(*fd, place, O_CLOEXEC) < 0) fail_app(PAAS_INIT_STAGE_APP_DESCRIPTORS, errno, NULL);
    *fd = place;
}

static void only_standard_descriptors(const struct plan *plan) {
    int place = PAAS_INIT_FD_PLAN;
    // Takes the plan's place; its end of file tells the agent that the app runs. The links have numbers that are higher than
    // all places.
    move_descriptor(&error_descriptor, place++);
    if (denial_link >= 0) move_descriptor(&denial_link, place++);
    if (plan->header.flags & PAAS_INIT_FLAG_WAIT) move_descriptor(&go, place++);
    move_descriptor(&start_link, place++);
    if (syscall(SYS_close_range, (unsigned)place, ~0u, 0) != 0) fail_app(PAAS_INIT_STAGE_APP_DESCRIPTORS, errno, NULL);
}

static void enter_directory(const struct plan *plan) {
    // As the app's user: a directory it may not enter is an error here and not a surprise later.
    if (chdir(plan->working_directory) != 0) {
        fail_app(PAAS_INIT_STAGE_APP_DIRECTORY, errno, plan->working_directory);
    }
}

static void default_signals(const struct plan *plan) {
    (void)plan;
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        // EINVAL: SIGKILL, SIGSTOP, and the two that the C library keeps to itself.
        if (sigaction(number, &by_default, NULL) != 0 && errno != EINVAL) {
            fail_app(PAAS_INIT_STAGE_APP_SIGNALS, errno, NULL);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) fail_app(PAAS_INIT_STAGE_APP_SIGNALS, errno, NULL);
}

static const char *variable(const struct plan *plan, const char *name) {
    size_t length = strlen(name);
    for (char **entry = plan->environment; *entry != NULL; entry++) {
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=') return *entry + length + 1;
    }
    return NULL;
}

// execvpe(3) without its two surprises: it searches the caller's PATH, and hands files without a #! line to a shell.
static void execute(const struct plan *plan) {
    const char *program = plan->arguments[0];
    if (strchr(program, '/') != NULL) {
        execve(program, plan->arguments, plan->environment);
        fail_app(PAAS_INIT_STAGE_EXEC, errno, program);
    }
    const char *search = variable(plan, "PATH");
    int error = ENOENT;
    char path[4096];
    while (search != NULL && *search != '\0') {
        size_t length = strcspn(search, ":");
        // An empty entry would mean the working directory; the plan's author can write "." for that.
        int written = length == 0 ? 0 : snprintf(path, sizeof path, "%.*s/%s", (int)length, search, program);
        if (written > 0 && (size_t)written < sizeof path) {
            execve(path, plan->arguments, plan->environment);
            // Not there: look on. Not allowed: remember that, but a later directory may have a better one.
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) fail_app(PAAS_INIT_STAGE_EXEC, errno, path);
            if (errno == EACCES) error = EACCES;
        }
        search += length + (search[length] == ':');
    }
    fail_app(PAAS_INIT_STAGE_EXEC, error, program);
}

static void filter_system_calls(const struct plan *plan) {
    if (plan->header.filter_count == 0) return;
    struct sock_fprog program = {.len = (unsigned short)plan->header.filter_count, .filter = plan->filter};
    // Needs no_new_privs, which drop_privileges has set and verified.
    if (install_and_pass_on(&program)) return;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) {
        fail_app(PAAS_INIT_STAGE_SECCOMP, errno, "the system-call filter");
    }
}

// POLLIN wins over POLLHUP: whoever wrote the message has begun this run, also when that was the last thing it did. Behind the
// filter, which every call until execve has to pass: poll, exit_group and the clock are on every list.
static void await_go(const struct plan *plan) {
    if (plan->header.flags & PAAS_INIT_FLAG_WAIT) {
        struct pollfd watched = {.fd = go, .events = POLLIN};
        while (poll(&watched, 1, -1) < 0 && errno == EINTR) {}
        if (!(watched.revents & POLLIN)) _exit(0);
    }
    app_start->began_boottime_ns = nanoseconds(CLOCK_BOOTTIME);
}

// In this order. Landlock and the filter come after everything else, because they would forbid the steps above them;
// the filter forbids Landlock's own calls in some profiles, and must let execve through.
static void (*const steps[])(const struct plan *) = {
    own_session, only_standard_descriptors, enter_directory, default_signals, restrict_itself,
    filter_system_calls, await_go, execute,
};

_Noreturn void run_app(const struct plan *plan, int link) {
    start_link = link;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) steps[i](plan);
    _exit(125); // not reached: execute does not return
}
