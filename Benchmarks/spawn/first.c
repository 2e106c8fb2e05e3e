// SPDX-License-Identifier: Apache-2.0
// What is started: first of all it writes CLOCK_MONOTONIC in nanoseconds, a 64-bit number, to standard output, and ends.
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t moment = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
    return write(STDOUT_FILENO, &moment, sizeof moment) == sizeof moment ? 0 : 1;
}
