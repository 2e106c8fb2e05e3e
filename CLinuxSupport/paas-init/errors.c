// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct app_start *app_start;
int error_descriptor = PAAS_INIT_FD_ERROR;

// One write: the reader gets all of it or nothing. A reader that is gone changes nothing here; SIGPIPE is blocked.
static void report(enum paas_init_stage stage, int error, const char *detail) {
    struct paas_init_start_error message = {.magic = PAAS_INIT_ERROR_MAGIC, .stage = stage, .error = error};
    if (detail != NULL) strncpy(message.detail, detail, sizeof message.detail - 1);
    while (write(error_descriptor, &message, sizeof message) < 0 && errno == EINTR) {}
}

uint64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

_Noreturn void fail_start(enum paas_init_stage stage, int error, const char *detail) {
    report(stage, error, detail);
    struct paas_init_exit_record record = {
        .magic = PAAS_INIT_EXIT_MAGIC,
        .version = PAAS_INIT_EXIT_VERSION,
        .size = sizeof record,
        .kind = PAAS_INIT_NOT_STARTED,
        .stage = stage,
        .error = error,
        .started_boottime_ns = nanoseconds(CLOCK_BOOTTIME),
        .ended_boottime_ns = nanoseconds(CLOCK_BOOTTIME),
        .ended_realtime_ns = nanoseconds(CLOCK_REALTIME),
    };
    // The agent may have died since: the record is what the next one finds. If it cannot be written either, the next
    // agent finds none and says that the end is unknown, which is true.
    while (pwrite(PAAS_INIT_FD_EXIT_RECORD, &record, sizeof record, 0) < 0 && errno == EINTR) {}
    _exit(125);
}

_Noreturn void fail_app(enum paas_init_stage stage, int error, const char *detail) {
    report(stage, error, detail);
    app_start->error = error;
    app_start->stage = stage;
    _exit(125);
}
