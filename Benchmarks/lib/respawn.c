// SPDX-License-Identifier: Apache-2.0
// The least that a supervisor can do, as a limit to compare with: starts a program again whenever it ends, until SIGTERM.
//
//   respawn PROGRAM [ARGUMENT]...
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int count, char **arguments) {
    sigset_t all, before;
    if (count < 2) return fprintf(stderr, "usage: respawn PROGRAM [ARGUMENT]...\n"), 64;
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    sigaddset(&all, SIGTERM);
    sigprocmask(SIG_BLOCK, &all, &before);
    for (;;) {
        pid_t child = fork();
        if (child < 0) return perror("respawn: fork"), 1;
        if (child == 0) {
            sigprocmask(SIG_SETMASK, &before, NULL);
            execv(arguments[1], arguments + 1);
            _exit(127);
        }
        if (sigwaitinfo(&all, NULL) == SIGTERM) return kill(child, SIGTERM);
        waitpid(child, NULL, 0);
    }
}
