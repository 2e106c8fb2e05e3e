// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

int cls_landlock_abi(void) {
    // LANDLOCK_CREATE_RULESET_VERSION
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    return abi < 0 ? -errno : abi;
}

int cls_pidfd_open(pid_t pid) {
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : fd;
}

int cls_pidfd_send_signal(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

int cls_pidfd_wait(int pidfd, struct cls_exit_status *status) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    while (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0) {
        if (errno != EINTR) return -errno;
    }
    if (info.si_pid == 0) return 0;
    status->code = info.si_code;
    status->status = info.si_status;
    return 1;
}

// linux/pidfd.h of 6.15; Debian 12's header has none of it.
struct pidfd_information {
    uint64_t mask, cgroupid;
    uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
    int32_t exit_code;
};
#define PIDFD_INFORMATION_EXIT (1ULL << 3)
#define PIDFD_GET_INFORMATION _IOWR(0xFF, 11, struct pidfd_information)

int cls_pidfd_exit_info(int pidfd, int *wait_status) {
    struct pidfd_information information;
    memset(&information, 0, sizeof information);
    information.mask = PIDFD_INFORMATION_EXIT;
    if (ioctl(pidfd, PIDFD_GET_INFORMATION, &information) < 0) {
        // ENOTTY, EINVAL: an older kernel. ESRCH: it ended, and nobody has reaped it.
        return errno == ENOTTY || errno == EINVAL || errno == ESRCH ? 0 : -errno;
    }
    // The kernel says in the mask what it filled in; without the bit exit_code is not an exit code.
    if (!(information.mask & PIDFD_INFORMATION_EXIT)) return 0;
    *wait_status = information.exit_code;
    return 1;
}

const char *cls_error_name(int error) {
    return strerrorname_np(error);
}

void cls_name_thread(const char *name) {
    pthread_setname_np(pthread_self(), name);
}

void cls_lower_thread(void) {
    // The C library has no ioprio_set; its numbers are those of linux/ioprio.h: IOPRIO_WHO_PROCESS, IOPRIO_CLASS_IDLE << 13.
    enum { WHO_PROCESS = 1, CLASS_IDLE = 3 << 13 };
    struct sched_param none = {0};
    // Linux takes 0 for the calling thread, not for the process, in all three.
    (void)setpriority(PRIO_PROCESS, 0, 19);
    (void)sched_setscheduler(0, SCHED_BATCH, &none);
    (void)syscall(SYS_ioprio_set, WHO_PROCESS, 0, CLASS_IDLE);
}
