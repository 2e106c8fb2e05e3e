// SPDX-License-Identifier: Apache-2.0
//
// clone3 into a cgroup. The child shares the parent's memory on a stack of its own until execve (CLONE_VM |
// CLONE_VFORK): no page tables are copied, so the cost does not grow with the agent. It must therefore do nothing but
// system calls on its own descriptor and signal tables. Credentials are never changed here: with shared memory that
// would be exploitable (pitfalls: Spawning), so paas-init does it after execve.
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

enum { STACK_BYTES = 64 * 1024, KERNEL_SIGNALS = 64 };

// Version 2 of the kernel's struct clone_args, spelt out: Debian 12's header may lack the last members.
struct clone_arguments {
    uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

struct child_state {
    const struct cls_spawn_request *request;
    volatile int error;
    const char *volatile stage;
};

static void fail(struct child_state *state, const char *stage, int error) {
    state->stage = stage;
    state->error = error;
    _exit(127);
}

// Runs in the child, in shared memory. Never returns.
__attribute__((noreturn, used)) static void child_main(struct child_state *state) {
    const struct cls_spawn_request *request = state->request;

    // CLONE_CLEAR_SIGHAND resets only handled signals; ignored ones survive execve, and an app that inherits an
    // ignored SIGPIPE behaves in ways its author never saw.
    // The raw call, because the C library refuses its own signals 32 and 33, which a parent can have ignored as well.
    // All zero is SIG_DFL without flags in the kernel's struct, whose mask has 8 bytes.
    unsigned long by_default[4] = {0};
    for (int number = 1; number <= KERNEL_SIGNALS; number++) {
        if (number != SIGKILL && number != SIGSTOP) syscall(SYS_rt_sigaction, number, by_default, NULL, 8);
    }

    // A source may itself be below fd_count: park all of them above it first, then move each into its place.
    int parked[CLS_SPAWN_MAX_FDS];
    for (int i = 0; i < request->fd_count; i++) {
        parked[i] = fcntl(request->fds[i], F_DUPFD, CLS_SPAWN_MAX_FDS);
        if (parked[i] < 0) fail(state, "dup2", errno);
    }
    for (int i = 0; i < request->fd_count; i++) {
        if (dup2(parked[i], i) < 0) fail(state, "dup2", errno);
    }
    if (syscall(SYS_close_range, (unsigned)request->fd_count, ~0U, 0) != 0) fail(state, "close_range", errno);

    // Pid 1 of a namespace loses a signal that it neither handles nor blocks: such a program wants them blocked from
    // its first instruction on.
    sigset_t mask;
    sigemptyset(&mask);
    if (request->keep_signals_blocked) sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    execve(request->path, request->argv, request->envp);
    fail(state, "execve", errno);
    __builtin_unreachable();
}

// The child begins on its own stack, so the compiler's frame of the parent stays untouched; a plain syscall() would
// return twice on one stack.
static long clone3_on_stack(struct clone_arguments *arguments, struct child_state *state) {
#if defined(__x86_64__)
    register long result __asm__("rax") = SYS_clone3;
    register void *argument __asm__("r12") = state;
    register void (*entry)(struct child_state *) __asm__("r13") = child_main;
    __asm__ volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov %%r12, %%rdi\n\t"
        "call *%%r13\n\t"
        "hlt\n"
        "1:"
        : "+r"(result)
        : "D"(arguments), "S"(sizeof *arguments), "r"(argument), "r"(entry)
        : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long result __asm__("x0") = (long)arguments;
    register long size __asm__("x1") = sizeof *arguments;
    register long number __asm__("x8") = SYS_clone3;
    register void *argument __asm__("x19") = state;
    register void (*entry)(struct child_state *) __asm__("x20") = child_main;
    __asm__ volatile(
        "svc #0\n\t"
        "cbnz x0, 1f\n\t"
        "mov x29, xzr\n\t"
        "mov x0, x19\n\t"
        "blr x20\n\t"
        "brk #1\n"
        "1:"
        : "+r"(result)
        : "r"(size), "r"(number), "r"(argument), "r"(entry)
        : "memory");
    return result;
#else
#error "clone3 is written for x86_64 and aarch64"
#endif
}

int cls_spawn(const struct cls_spawn_request *request, struct cls_spawn_result *result) {
    result->stage = NULL;
    if (request->fd_count < 0 || request->fd_count > CLS_SPAWN_MAX_FDS) return -EINVAL;

    void *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -errno;

    int pidfd = -1;
    struct child_state state = {.request = request, .error = 0, .stage = NULL};
    struct clone_arguments arguments = {
        .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
        .stack = (uint64_t)(uintptr_t)stack,
        .stack_size = STACK_BYTES,
    };
    if (request->cgroup_fd >= 0) {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = (uint64_t)request->cgroup_fd;
    }
    if (request->new_pid_namespace) arguments.flags |= CLONE_NEWPID;
    if (request->new_network_namespace) arguments.flags |= CLONE_NEWNET;

    // No signal may run a handler of ours in the child, which shares our memory.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    long pid = clone3_on_stack(&arguments, &state);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_BYTES);

    if (pid < 0) {
        result->stage = "clone3";
        return (int)pid;
    }
    if (state.error != 0) {
        siginfo_t info;
        while (waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR) {}
        close(pidfd);
        result->stage = state.stage;
        return -state.error;
    }
    result->pid = (pid_t)pid;
    result->pidfd = pidfd;
    return 0;
}
