// SPDX-License-Identifier: Apache-2.0
// The benchmark's writer and its judge.
//
//   lines write N         N lines of 100 bytes, newline included, numbered from 1, in blocks of 4 KiB as stdio writes them
//   lines serve MODE N    listens on PORT; each connection makes it print, and is closed when all is printed. MODE: write as
//                         above; longline, one line of N bytes; empty, N empty lines; bytes, N bytes of all values; colours, N
//                         lines of escape sequences; trickle, one byte a second
//   lines check FILE...   the numbers of all lines of the files, which must go up by one; prints how many there are
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE = 100, BLOCK = 4096, DIGITS = 10 };

static void put(const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = write(1, bytes, count);
        if (done < 0) exit(1);
        bytes += done;
        count -= (size_t)done;
    }
}

static void write_lines(long count) {
    static char block[BLOCK];
    size_t used = 0;
    for (long number = 1; number <= count; number++) {
        char *line = block + used;
        memset(line, 'x', LINE - 1);
        line[LINE - 1] = '\n';
        line[DIGITS] = ' ';
        long rest = number;
        for (int digit = DIGITS - 1; digit >= 0; digit--, rest /= 10) line[digit] = (char)('0' + rest % 10);
        used += LINE;
        if (used + LINE > BLOCK) {
            put(block, used);
            used = 0;
        }
    }
    put(block, used);
}

static void repeat(const char *pattern, size_t length, long count) {
    static char block[65536];
    size_t whole = sizeof block / length * length;
    for (size_t at = 0; at < whole; at++) block[at] = pattern[at % length];
    for (long left = count * (long)length; left > 0; left -= (long)whole)
        put(block, left < (long)whole ? (size_t)left : whole);
}

static void print(const char *mode, long count) {
    if (!strcmp(mode, "write")) return write_lines(count);
    if (!strcmp(mode, "longline")) {
        repeat("y", 1, count);
        return put("\n", 1);
    }
    if (!strcmp(mode, "empty")) return repeat("\n", 1, count);
    if (!strcmp(mode, "colours")) return repeat("\033[31m\033[2J\033]0;title\007\033[8mgone\n", 31, count);
    if (!strcmp(mode, "bytes")) {
        char all[256];
        for (int value = 0; value < 256; value++) all[value] = (char)value;
        return repeat(all, 256, count / 256);
    }
    for (;; sleep(1)) put("z", 1);
}

static int serve(const char *mode, long count) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(getenv("PORT")))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) return 1;
    for (;;) {
        int client = accept(listener, NULL, NULL);
        char byte;
        // A connection that asks nothing is a probe.
        if (client >= 0 && read(client, &byte, 1) == 1) print(mode, count);
        close(client);
    }
}

static int check(int count, char **paths) {
    static char line[65536];
    long expected = 1, lines = 0;
    for (int index = 0; index < count; index++) {
        FILE *file = fopen(paths[index], "r");
        if (!file) return perror(paths[index]), 1;
        while (fgets(line, sizeof line, file)) {
            size_t length = strlen(line);
            if (length < LINE || line[length - 2] != 'x') continue;
            long number = atol(line + length - LINE);
            if (number != expected) return fprintf(stderr, "%s: %ld instead of %ld\n", paths[index], number, expected), 1;
            expected++;
            lines++;
        }
        fclose(file);
    }
    printf("%ld\n", lines);
    return 0;
}

int main(int count, char **arguments) {
    if (count == 3 && !strcmp(arguments[1], "write")) return write_lines(atol(arguments[2])), 0;
    if (count == 4 && !strcmp(arguments[1], "serve")) return serve(arguments[2], atol(arguments[3]));
    if (count > 2 && !strcmp(arguments[1], "check")) return check(count - 2, arguments + 2);
    return 64;
}
