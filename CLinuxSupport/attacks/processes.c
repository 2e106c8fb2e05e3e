// SPDX-License-Identifier: Apache-2.0
//
// Other processes, and what a process may become.
#define _GNU_SOURCE
#include "attacks.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int signal_init(void) { return outcome(kill(1, 0)); }

// Of process 1, which in a sandbox is its own; without an effect, because it is let go of at once.
static int trace_init(void) { return outcome(ptrace(PTRACE_SEIZE, 1, NULL, NULL)); }

static int trace_child(int child) { return outcome(ptrace(PTRACE_SEIZE, child, NULL, NULL)); }
static int trace(void) { return with_child(trace_child); }

static int read_child(int child) {
    static char here[8];
    struct iovec local = {here, sizeof here}, remote = {here, sizeof here};
    return outcome(process_vm_readv(child, &local, 1, &remote, 1, 0));
}
static int read_memory(void) { return with_child(read_child); }

static int take_descriptor(int child) {
    int handle = (int)syscall(SYS_pidfd_open, child, 0);
    return handle < 0 ? CANNOT_TRY : outcome(syscall(SYS_pidfd_getfd, handle, STDIN_FILENO, 0));
}
static int steal(void) { return with_child(take_descriptor); }

static int compare(void) { return outcome(syscall(SYS_kcmp, getpid(), getpid(), 1, 0, 0)); }

// In a pid namespace of its own an app sees few processes: its own and paas-init. A kernel thread is always number 2
// of the machine.
static int sees_others(void) {
    char name[64] = "";
    int file = open("/proc/2/comm", O_RDONLY | O_CLOEXEC);
    if (file < 0) return errno;
    ssize_t count = read(file, name, sizeof name - 1);
    return count > 0 && strcmp(name, "kthreadd\n") == 0 ? 0 : ESRCH;
}

static int become_root(void) { return outcome(setuid(0)); }
static int become_group(void) { return outcome(setgid(0)); }
static int join_groups(void) {
    gid_t none = 4;
    return outcome(setgroups(1, &none));
}

static int has_capabilities(void) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, sets) != 0) return errno;
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        if (sets[i].effective | sets[i].permitted | sets[i].inheritable) return 0;
    }
    for (int capability = 0, held; (held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0; capability++) {
        if (held == 1) return 0;
    }
    return EPERM;
}

// Whoever has it could answer the calls that its own filter denies, and let them through.
static int take_filter_listener(void) {
    char link[64], path[64];
    for (int fd = 3; fd < 1024; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, link, sizeof link - 1);
        if (length <= 0) continue;
        link[length] = '\0';
        if (strstr(link, "seccomp notify") != NULL) return 0;
    }
    // paas-init has one.
    DIR *of_init = opendir("/proc/1/fd");
    if (of_init == NULL) return errno;
    closedir(of_init);
    return 0;
}

static int go_first(void) { return outcome(setpriority(PRIO_PROCESS, 0, -5)); }

static int real_time(void) {
    struct sched_param parameters = {.sched_priority = 1};
    return outcome(sched_setscheduler(0, SCHED_FIFO, &parameters));
}

static int survive_memory_hogs(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return errno;
    return outcome(write(file, "-1000", 5));
}

static int dump_core(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) != 0) return errno;
    return limit.rlim_max == 0 ? EPERM : 0;
}

static int more_descriptors(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return errno;
    limit.rlim_cur = limit.rlim_max = limit.rlim_max + 1;
    return outcome(setrlimit(RLIMIT_NOFILE, &limit));
}

static int lock_memory(void) {
    size_t size = 16 << 20;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return CANNOT_TRY;
    return outcome(mlock(memory, size));
}

static const struct attack attacks[] = {
    {"signal-init", "signal paas-init", "Landlock's scope", "landlock-scopes", WORKS, signal_init, "landlock-scopes",
     NULL},
    {"trace-init", "trace paas-init", "seccomp, not dumpable", "everything", WORKS, trace_init, NULL, NULL},
    {"trace", "trace another process", "seccomp", "seccomp", WORKS, trace, NULL, NULL},
    {"read-memory", "read another process's memory", "seccomp", "seccomp", WORKS, read_memory, NULL, NULL},
    {"take-descriptor", "take a descriptor out of another process", "seccomp", "seccomp", WORKS, steal, NULL, NULL},
    {"filter-listener", "take over the listener of its own system-call filter", "close-on-exec, not dumpable",
     "everything", WORKS, take_filter_listener, NULL, NULL},
    {"kcmp", "compare kernel objects, to learn addresses", "seccomp", "seccomp", WORKS, compare, NULL, NULL},
    {"see-processes", "see the machine's processes", "pid namespace, fresh /proc", "mount-namespace pid-namespace",
     WORKS,
     sees_others, NULL, NULL},
    {"setuid", "become root", "capabilities", "everything", WORKS, become_root, NULL, NULL},
    {"setgid", "become group 0", "capabilities", "everything", WORKS, become_group, NULL, NULL},
    {"setgroups", "join another group", "capabilities", "everything", WORKS, join_groups, NULL, NULL},
    {"capabilities", "hold a capability", "empty sets", "everything", WORKS, has_capabilities, NULL, NULL},
    {"priority", "run before others", "RLIMIT_NICE", "everything", WORKS, go_first, NULL, NULL},
    {"real-time", "run as a real-time process", "RLIMIT_RTPRIO", "everything", WORKS, real_time, NULL, NULL},
    {"oom-score", "leave memory shortage to others", "capabilities", "everything", WORKS, survive_memory_hogs, NULL,
     NULL},
    {"core-dump", "fill the disk by core dumps", "RLIMIT_CORE", "resource-limits", WORKS, dump_core, NULL, NULL},
    {"descriptors", "raise its own limit of descriptors", "capabilities", "everything", WORKS, more_descriptors,
     NULL, NULL},
    {"lock-memory", "lock 16 MiB of memory", "RLIMIT_MEMLOCK", "everything", WORKS, lock_memory, NULL, NULL},
};
GROUP(process_group, "processes", attacks);
