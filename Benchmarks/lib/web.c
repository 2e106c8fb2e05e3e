// SPDX-License-Identifier: Apache-2.0
// The web server of benchmarks: does what it is asked by HTTP. Listens on PORT of 127.0.0.1; ends with 3 when BROKEN is set.
//
//   /              tells CLOCK_MONOTONIC in nanoseconds at its first line and when it listened, its pid, and VERSION
//   /exit/CODE     ends
//   /signal/N      ends by this signal
//   /flood/LINES   prints so many lines of 100 bytes
//   /fork/COUNT    leaves so many daemons behind, deaf to SIGTERM
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 64, HEAD = 16 * 1024 };

static struct pollfd polled[1 + CONNECTIONS];
static char heads[CONNECTIONS][HEAD];
static size_t filled[CONNECTIONS];
static int64_t began, listening;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int listener(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    int one = 1, descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (descriptor < 0) return -1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    return bind(descriptor, (struct sockaddr *)&address, sizeof address) || listen(descriptor, 64) ? -1 : descriptor;
}

static void write_all(int descriptor, const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(descriptor, bytes, count);
        if (written < 0 && errno != EINTR) return;
        if (written > 0) bytes += written, count -= (size_t)written;
    }
}

static void flood(long lines) {
    char block[100 * 64];
    size_t used = 0;
    for (long number = 1; number <= lines; number++) {
        memset(block + used, 'x', 99);
        block[used + (size_t)snprintf(block + used, 99, "line %ld ", number)] = 'x';
        block[used + 99] = '\n';
        used += 100;
        if (used == sizeof block || number == lines) write_all(1, block, used), used = 0;
    }
}

// fork, setsid, fork: a daemon by the book.
static void leave_daemons(long count) {
    for (long number = 0; number < count; number++) {
        if (fork() != 0) continue;
        setsid();
        if (fork() != 0) _exit(0);
        signal(SIGTERM, SIG_IGN);
        for (;;) pause();
    }
}

static void act(const char *path) {
    long number = 0;
    if (sscanf(path, "/exit/%ld", &number) == 1) _exit((int)number);
    if (sscanf(path, "/signal/%ld", &number) == 1) signal((int)number, SIG_DFL), kill(getpid(), (int)number);
    if (sscanf(path, "/flood/%ld", &number) == 1) flood(number);
    if (sscanf(path, "/fork/%ld", &number) == 1) leave_daemons(number);
}

static void answer(int descriptor, const char *head) {
    char body[256], text[512];
    const char *version = getenv("VERSION");
    if (!strncmp(head, "GET ", 4)) act(head + 4);
    int length = snprintf(body, sizeof body, "%lld %lld %d %s\n", (long long)began, (long long)listening, getpid(), version ? version : "-");
    int count = snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", length, body);
    write_all(descriptor, text, (size_t)count);
}

static void drop(size_t place) {
    close(polled[1 + place].fd);
    polled[1 + place].fd = -1;
}

// Only requests without a body come.
static void serve(size_t place) {
    char *head = heads[place], *end;
    ssize_t count = read(polled[1 + place].fd, head + filled[place], HEAD - 1 - filled[place]);
    if (count <= 0) return drop(place);
    filled[place] += (size_t)count;
    head[filled[place]] = 0;
    while ((end = strstr(head, "\r\n\r\n"))) {
        answer(polled[1 + place].fd, head);
        filled[place] -= (size_t)(end + 4 - head);
        memmove(head, end + 4, filled[place] + 1);
    }
    if (filled[place] == HEAD - 1) drop(place);
}

static void take(void) {
    int client = accept4(polled[0].fd, NULL, NULL, SOCK_CLOEXEC);
    for (size_t place = 0; client >= 0 && place < CONNECTIONS; place++) {
        if (polled[1 + place].fd >= 0) continue;
        polled[1 + place] = (struct pollfd){.fd = client, .events = POLLIN};
        filled[place] = 0;
        return;
    }
    if (client >= 0) close(client);
}

int main(void) {
    began = now();
    const char *port = getenv("PORT");
    if (getenv("BROKEN")) return fputs("web: BROKEN is set\n", stderr), 3;
    // Nobody waits for the daemons that it forks.
    signal(SIGCHLD, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    for (size_t place = 0; place < CONNECTIONS; place++) polled[1 + place].fd = -1;
    polled[0] = (struct pollfd){.fd = port ? listener(port) : -1, .events = POLLIN};
    if (polled[0].fd < 0) return perror("web: PORT"), 1;
    listening = now();
    for (;;) {
        if (poll(polled, 1 + CONNECTIONS, -1) < 0) continue;
        for (size_t place = 0; place < CONNECTIONS; place++)
            if (polled[1 + place].fd >= 0 && polled[1 + place].revents) serve(place);
        if (polled[0].revents) take();
    }
}
