// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer over the parser of plans: whatever the bytes are, it accepts them or refuses them, reads nothing beyond
// them, and what it accepts is complete. The parser is included, so that its way out (fail_start) and its memory can be
// caught.
#define _GNU_SOURCE
#include "init.h"

#include <assert.h>
#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static jmp_buf refused;
static void *allocations[64];
static size_t allocation_count;

// paas-init frees nothing, because it lives once; here it would add up.
static void *recorded_calloc(size_t count, size_t size) {
    void *memory = calloc(count, size);
    assert(allocation_count < sizeof allocations / sizeof *allocations);
    allocations[allocation_count++] = memory;
    return memory;
}

// Of the seeds: one that is refused would be no beginning.
static bool must_be_accepted;

_Noreturn void fail_start(enum paas_init_stage stage, int error, const char *detail) {
    assert(stage == PAAS_INIT_STAGE_PLAN_INVALID && error == EINVAL && detail != NULL);
    if (must_be_accepted) {
        fprintf(stderr, "a plan that must be accepted was refused: %s\n", detail);
        exit(1);
    }
    longjmp(refused, 1);
}

static const uint8_t *input;
static size_t input_size;

// The plan's file. At its end the rest of the buffer, which is as large as the largest plan, becomes forbidden ground:
// without that, reading behind the plan would go unseen.
static ssize_t read_input(int file, void *buffer, size_t count, off_t offset) {
    assert(file == PAAS_INIT_FD_PLAN);
    size_t left = (size_t)offset < input_size ? input_size - (size_t)offset : 0;
    if (left == 0) __asan_poison_memory_region(buffer, count);
    if (count > left) count = left;
    memcpy(buffer, input + offset, count);
    return (ssize_t)count;
}

#define calloc recorded_calloc
#define pread read_input
#include "plan.c"
#undef calloc
#undef pread

static void use_string(const char *text) {
    // Also under AddressSanitizer: it ends inside the buffer.
    volatile size_t length = strlen(text);
    (void)length;
}

static void use(const struct plan *plan) {
    use_string(plan->hostname);
    use_string(plan->working_directory);
    for (char **text = plan->arguments; *text != NULL; text++) use_string(*text);
    for (char **text = plan->environment; *text != NULL; text++) use_string(*text);
    for (uint32_t i = 0; i < plan->header.mount_count; i++) {
        use_string(plan->mounts[i].source);
        use_string(plan->mounts[i].target);
        assert(plan->mounts[i].target[0] != '/' && strstr(plan->mounts[i].target, "//") == NULL);
    }
    for (uint32_t i = 0; i < plan->header.landlock_path_count; i++) {
        use_string(plan->landlock_paths[i].path);
        assert(plan->landlock_paths[i].path[0] == '/');
    }
    assert(plan->header.uid != 0 && plan->header.gid != 0 && plan->arguments[0] != NULL);
    assert(plan->header.mount_count == 0 || (plan->header.namespaces & PAAS_INIT_NS_MOUNT));
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count, (void)arguments;
    must_be_accepted = getenv("PLANS_MUST_BE_ACCEPTED") != NULL;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    input = bytes;
    input_size = count;
    struct plan plan;
    if (setjmp(refused) == 0) {
        read_plan(&plan);
        use(&plan);
    }
    if (allocation_count > 0) __asan_unpoison_memory_region(allocations[0], PAAS_INIT_PLAN_MAX_BYTES + 1);
    while (allocation_count > 0) free(allocations[--allocation_count]);
    return 0;
}

// A mutated plan has the wrong size nearly always, and would end at the first check: put the right one in.
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t count, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t count, size_t capacity, unsigned seed) {
    count = LLVMFuzzerMutate(bytes, count, capacity);
    if (count >= 12 && seed % 16 != 0) {
        uint32_t head[3] = {PAAS_INIT_PLAN_MAGIC, PAAS_INIT_PLAN_VERSION, (uint32_t)count};
        memcpy(bytes, head, sizeof head);
    }
    return count;
}
