// SPDX-License-Identifier: Apache-2.0
//
// Linked into a paas-init that is built with sanitizers: its options, and counts of what it did in a file, which it maps when it
// begins. It closes every descriptor later and loses its view of the file system and its user; the mapping stays.
#include <fcntl.h>
#include <sanitizer/common_interface_defs.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic unsigned long *counts; // starts, reports

const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    // Looking for leaks at the end would trace the process, and what lives once leaks nothing.
    return "detect_leaks=0:abort_on_error=1:symbolize=0";
}

static void count_report(void) { counts[1]++; }

__attribute__((constructor)) static void begin(void) {
    int file = open(COUNTS_FILE, O_RDWR | O_CLOEXEC);
    void *memory = mmap(NULL, 2 * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (memory == MAP_FAILED) abort();
    counts = memory;
    counts[0]++;
    __sanitizer_set_death_callback(count_report);
}
