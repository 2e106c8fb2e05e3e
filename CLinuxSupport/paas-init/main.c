// SPDX-License-Identifier: Apache-2.0
//
// paas-init: the first process of an app's sandbox. The agent starts it in the run's cgroup with its descriptors (see
// paas_init_protocol.h); it builds the sandbox as the plan says, starts the app in it, stays as its init, and leaves a
// record of how the app ended. It outlives the agent, so nothing here depends on the agent being there.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void check_descriptors(void) {
    for (int fd = 0; fd < PAAS_INIT_FD_COUNT; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            static const char message[] = "paas-init is started by the agent, not by hand: see 'paas --help'\n";
            if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(64);
            _exit(64);
        }
    }
}

static void settle(const struct plan *plan) {
    if (syscall(SYS_close_range, PAAS_INIT_FD_COUNT, ~0u, 0) != 0) {
        fail_start(PAAS_INIT_STAGE_PLAN_READ, errno, "close_range: paas-init needs Linux 5.12 or newer");
    }
    for (int fd = PAAS_INIT_FD_PLAN; fd < PAAS_INIT_FD_COUNT; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
    // The app starts from the usual mask, whatever the agent's is.
    umask(022);
    // Apps outlive the agent.
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    app_start = mmap(NULL, sizeof *app_start, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (app_start == MAP_FAILED) fail_start(PAAS_INIT_STAGE_PLAN_READ, errno, "mmap");
    bool makes_namespaces = (plan->header.flags & PAAS_INIT_FLAG_JOIN) == 0;
    if ((plan->header.namespaces & PAAS_INIT_NS_PID) && makes_namespaces && getpid() != 1) {
        fail_start(PAAS_INIT_STAGE_PID_NAMESPACE, EPERM, "paas-init is not pid 1");
    }
}

static void leave_session(const struct plan *plan) {
    (void)plan;
    // A session keyring of its own, so that the app cannot read the agent's. ENOSYS: a kernel without keys. EPERM: a
    // container's seccomp filter forbids keyctl(2); the app inherits that filter and cannot reach any keyring either.
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL, 0, 0, 0) < 0 && errno != ENOSYS && errno != EPERM) {
        fail_start(PAAS_INIT_STAGE_KEYRING, errno, NULL);
    }
    if (setsid() < 0) fail_start(PAAS_INIT_STAGE_SESSION, errno, NULL);
}

// Before the mount tree: /proc is the host's still, and the app's will be read-only where it matters.
static void set_oom_score(const struct plan *plan) {
    static const char path[] = "/proc/self/oom_score_adj";
    char text[16], now[16] = "";
    int length = snprintf(text, sizeof text, "%d\n", plan->header.oom_score_adj);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0 || read(file, now, sizeof now - 1) < 0) fail_start(PAAS_INIT_STAGE_OOM_SCORE, errno, path);
    // Lowering needs CAP_SYS_RESOURCE; writing the value that is there anyway must not. Without it the app is a likelier
    // victim than it was to be: what an ordinary user's service manager starts is that from the beginning.
    if (strcmp(now, text) != 0 && pwrite(file, text, (size_t)length, 0) != length &&
        (errno != EACCES || strtol(now, NULL, 10) < plan->header.oom_score_adj)) {
        fail_start(PAAS_INIT_STAGE_OOM_SCORE, errno, path);
    }
    close(file);
}

static void enter_namespaces(const struct plan *plan) {
    uint32_t wanted = plan->header.namespaces;
    int flags = 0;
    if (wanted & PAAS_INIT_NS_MOUNT) flags |= CLONE_NEWNS;
    if (wanted & PAAS_INIT_NS_IPC) flags |= CLONE_NEWIPC;
    if (wanted & PAAS_INIT_NS_UTS) flags |= CLONE_NEWUTS;
    if (wanted & PAAS_INIT_NS_CGROUP) flags |= CLONE_NEWCGROUP;
    if (flags != 0 && unshare(flags) != 0) fail_start(PAAS_INIT_STAGE_NAMESPACES, errno, "unshare");
    if ((wanted & PAAS_INIT_NS_UTS) && plan->hostname[0] != '\0' &&
        sethostname(plan->hostname, strlen(plan->hostname)) != 0) {
        fail_start(PAAS_INIT_STAGE_HOSTNAME, errno, plan->hostname);
    }
}

static void build_view(const struct plan *plan) {
    if (plan->header.namespaces & PAAS_INIT_NS_MOUNT) make_mount_tree(plan);
    close(PAAS_INIT_FD_PLAN);
}

static void adopt_orphans(const struct plan *plan) {
    (void)plan;
    // As pid 1 they come anyway.
    if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        fail_start(PAAS_INIT_STAGE_SUBREAPER, errno, NULL);
    }
}

// In this order: each step needs what the later ones take away.
typedef void step(const struct plan *);
static step *const steps[] = {
    settle, leave_session, set_oom_score, enter_namespaces, prepare_network, build_view, set_rlimits, drop_privileges, adopt_orphans,
    open_connector,
};
static step *const joining_steps[] = {settle, leave_session, set_oom_score, join_namespaces, set_rlimits, drop_privileges, adopt_orphans};

int main(void) {
    check_descriptors();
    // Blocked, not ignored: they wait until supervise asks for them, and pid 1 is not deaf to the agent's SIGTERM.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);

    struct plan plan;
    read_plan(&plan);
    bool joins = plan.header.flags & PAAS_INIT_FLAG_JOIN;
    step *const *chosen = joins ? joining_steps : steps;
    size_t count = joins ? sizeof joining_steps / sizeof *joining_steps : sizeof steps / sizeof *steps;
    for (size_t i = 0; i < count; i++) chosen[i](&plan);
    supervise(&plan);
}
