// SPDX-License-Identifier: Apache-2.0
// Starts a program once for each line of standard input, and says after each what it took: nanoseconds until the program's
// first instruction, nanoseconds until it was reaped, microseconds of CPU time of all that was started and of the start.
//
//   starter posix FILE PROGRAM [ARGUMENT]...   by posix_spawn(3); FILE becomes descriptor 9
//   starter clone3 CGROUP PROGRAM              as the agent starts programs; CGROUP is a directory of cgroup v2, or - for none
//   starter init CGROUP PAAS-INIT PLAN         the same for paas-init with this plan, and all that it expects
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct ends {
    int reader, writer;
};

static char **arguments;
static int null, cgroup = -1, record, connector;
static struct ends output, ended, denials;
static char plan[PAAS_INIT_PLAN_MAX_BYTES];
static size_t plan_size;
static struct paas_init_plan_header header;
static char *no_environment[] = {NULL};

static _Noreturn void give_up(const char *what) {
    fprintf(stderr, "starter: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int checked(int result, const char *what) {
    if (result < 0) give_up(what);
    return result;
}

static struct ends make_pipe(void) {
    int both[2];
    checked(pipe2(both, O_CLOEXEC), "pipe");
    return (struct ends){both[0], both[1]};
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int64_t cpu_time(int of) {
    struct rusage usage;
    getrusage(of, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * INT64_C(1000000) + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static int64_t all_cpu_time(void) { return cpu_time(RUSAGE_SELF) + cpu_time(RUSAGE_CHILDREN); }

static pid_t start_posix(void) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t every, none;
    sigfillset(&every);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, null, 0);
    posix_spawn_file_actions_adddup2(&actions, output.writer, 1);
    posix_spawn_file_actions_addopen(&actions, 9, arguments[0], O_RDONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &every);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    pid_t pid;
    errno = posix_spawn(&pid, arguments[1], &actions, &attributes, arguments + 1, no_environment);
    if (errno != 0) give_up(arguments[1]);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return pid;
}

static pid_t start_clone3(const char *program, bool pid_namespace, bool network_namespace, const int *descriptors, int count) {
    char *name[] = {(char *)program, NULL};
    struct cls_spawn_request request = {
        .path = program, .argv = name, .envp = no_environment, .cgroup_fd = cgroup, .keep_signals_blocked = pid_namespace,
        .new_pid_namespace = pid_namespace, .new_network_namespace = network_namespace, .fd_count = count, .fds = descriptors,
    };
    struct cls_spawn_result result;
    int failed = cls_spawn(&request, &result);
    if (failed != 0) {
        errno = -failed;
        give_up(result.stage != NULL ? result.stage : "clone3");
    }
    close(result.pidfd);
    return result.pid;
}

static pid_t start_plainly(void) {
    return start_clone3(arguments[1], false, false, (int[]){null, output.writer, 2}, 3);
}

// As Sources/Sandbox/InitStart.swift does.
static pid_t start_init(void) {
    int file = checked(memfd_create("paas-plan", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create");
    if (write(file, plan, plan_size) != (ssize_t)plan_size) give_up("the plan");
    checked(fcntl(file, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), "sealing the plan");
    struct ends failure = make_pipe();
    bool pids = header.namespaces & PAAS_INIT_NS_PID, network = header.namespaces & PAAS_INIT_NS_NETWORK;
    pid_t pid = start_clone3(arguments[1], pids, network, (int[PAAS_INIT_FD_COUNT]){
        [PAAS_INIT_FD_NULL] = null, [PAAS_INIT_FD_STDOUT] = output.writer, [PAAS_INIT_FD_STDERR] = 2,
        [PAAS_INIT_FD_PLAN] = file, [PAAS_INIT_FD_ERROR] = failure.writer, [PAAS_INIT_FD_EXIT_RECORD] = record,
        [PAAS_INIT_FD_CONNECTOR] = connector, [PAAS_INIT_FD_EGRESS] = null, [PAAS_INIT_FD_ENDED] = ended.writer,
        [PAAS_INIT_FD_DENIALS] = denials.writer, [PAAS_INIT_FD_GO] = null}, PAAS_INIT_FD_COUNT);
    close(file);
    close(failure.writer);
    struct paas_init_start_error error;
    if (read(failure.reader, &error, sizeof error) > 0) {
        fprintf(stderr, "starter: paas-init failed in stage %u, error %d: %s\n", error.stage, error.error, error.detail);
        exit(1);
    }
    close(failure.reader);
    return pid;
}

// paas-init says that the app has ended, and waits to be killed.
static void let_go(pid_t pid) {
    struct paas_init_exit_record said;
    if (!(header.flags & PAAS_INIT_FLAG_LINGER)) return;
    if (read(ended.reader, &said, sizeof said) != sizeof said) give_up("the exit record");
    kill(pid, SIGKILL);
}

static void prepare_init(void) {
    int file = checked(open(arguments[2], O_RDONLY | O_CLOEXEC), arguments[2]);
    ssize_t count = read(file, plan, sizeof plan);
    if (count < (ssize_t)sizeof header) give_up("the plan");
    plan_size = (size_t)count;
    memcpy(&header, plan, sizeof header);
    close(file);
    ended = make_pipe();
    denials = make_pipe();
    record = checked(memfd_create("exit-record", MFD_CLOEXEC), "memfd_create");
    // A name of its own in the abstract space, which the kernel chooses.
    connector = checked(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), "socket");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    checked(bind(connector, (struct sockaddr *)&address, sizeof address.sun_family), "bind");
    checked(listen(connector, 1), "listen");
}

static void measure(pid_t (*start)(void)) {
    // A program that never writes would be waited for for ever.
    alarm(60);
    int64_t cpu = all_cpu_time(), began = now(), first;
    pid_t pid = start();
    if (read(output.reader, &first, sizeof first) != sizeof first) give_up("the program");
    if (header.magic != 0) let_go(pid);
    int status;
    checked(waitpid(pid, &status, 0), "waitpid");
    int64_t reaped = now();
    if (header.magic == 0 && status != 0) {
        fprintf(stderr, "starter: %s ended with wait status %d\n", arguments[1], status);
        exit(1);
    }
    printf("%lld %lld %lld\n", (long long)(first - began), (long long)(reaped - began), (long long)(all_cpu_time() - cpu));
    fflush(stdout);
}

int main(int count, char **words) {
    bool posix = count >= 4 && strcmp(words[1], "posix") == 0, clone3 = count == 4 && strcmp(words[1], "clone3") == 0;
    bool init = count == 5 && strcmp(words[1], "init") == 0;
    if (!posix && !clone3 && !init) return fprintf(stderr, "usage: see the head of starter.c\n"), 64;
    arguments = words + 2;
    null = checked(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");
    output = make_pipe();
    if (!posix && strcmp(arguments[0], "-") != 0) {
        cgroup = checked(open(arguments[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC), arguments[0]);
    }
    if (init) prepare_init();
    for (int character; (character = getchar()) != EOF;) {
        if (character == '\n') measure(posix ? start_posix : clone3 ? start_plainly : start_init);
    }
}
