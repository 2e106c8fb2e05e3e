// SPDX-License-Identifier: Apache-2.0
// The app of which benchmarks start many: it does nothing but tell when it began.
//
//   beat [FILE]...   first of all appends CLOCK_MONOTONIC in nanoseconds and its pid, two 64-bit numbers, to the first FILE, else to
//                    `started` in HOME; then listens on PORT of 127.0.0.1 when there is one, writes a newline to the descriptor
//                    NOTIFY when there is one, and sleeps
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int append(const char *path, const int64_t record[2]) {
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0) return -1;
    // One write(2), so that the records of many apps in one file never mix.
    int failed = write(file, record, 2 * sizeof *record) != 2 * (ssize_t)sizeof *record;
    close(file);
    return failed ? -1 : 0;
}

static int serve(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) return -1;
    return bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16) ? -1 : 0;
}

int main(int count, char **arguments) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t record[2] = {now.tv_sec * INT64_C(1000000000) + now.tv_nsec, getpid()};
    char path[4096];
    const char *home = getenv("HOME"), *port = getenv("PORT"), *notify = getenv("NOTIFY");
    snprintf(path, sizeof path, "%s/started", home ? home : ".");
    if (append(count > 1 ? arguments[1] : path, record)) return perror("beat: the file"), 1;
    if (port && serve(port)) return perror("beat: PORT"), 1;
    if (notify && write(atoi(notify), "\n", 1) != 1) return perror("beat: NOTIFY"), 1;
    for (;;) pause();
}
