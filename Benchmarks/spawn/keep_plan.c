// SPDX-License-Identifier: Apache-2.0
// Stands in for paas-init: keeps the plan that the agent gives it as a file beside itself, `plan`, and becomes the real one,
// which lies there as well, `paas-init`. Every start writes the plan anew.
#define _GNU_SOURCE
#include "paas_init_protocol.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int copy(const char *path) {
    static char bytes[PAAS_INIT_PLAN_MAX_BYTES];
    ssize_t count = pread(PAAS_INIT_FD_PLAN, bytes, sizeof bytes, 0);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (count < 0 || file < 0 || write(file, bytes, (size_t)count) != count) return -1;
    return close(file);
}

int main(int count, char **arguments, char **environment) {
    char directory[4000], path[4096];
    ssize_t length = readlink("/proc/self/exe", directory, sizeof directory - 1);
    if (count < 1 || length < 0) return perror("keep_plan"), 1;
    directory[length] = '\0';
    *strrchr(directory, '/') = '\0';
    snprintf(path, sizeof path, "%s/plan", directory);
    if (copy(path) != 0) return perror("keep_plan: the plan"), 1;
    snprintf(path, sizeof path, "%s/paas-init", directory);
    execve(path, arguments, environment);
    return perror("keep_plan: paas-init"), 1;
}
