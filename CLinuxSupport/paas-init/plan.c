// SPDX-License-Identifier: Apache-2.0
//
// Reads the plan. The agent wrote it, yet every length is checked: parts of it (command, environment) come from users.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reader {
    char *next;
    size_t left;
};

static _Noreturn void invalid(const char *what) {
    fail_start(PAAS_INIT_STAGE_PLAN_INVALID, EINVAL, what);
}

static void take(struct reader *reader, void *into, size_t count, const char *what) {
    if (reader->left < count) invalid(what);
    memcpy(into, reader->next, count);
    reader->next += count;
    reader->left -= count;
}

// Strings stay where they are: each has a NUL behind it.
static char *take_string(struct reader *reader, const char *what) {
    uint32_t length;
    take(reader, &length, sizeof length, what);
    if (reader->left <= length) invalid(what);
    char *text = reader->next;
    if (memchr(text, '\0', (size_t)length + 1) != text + length) invalid(what);
    reader->next += (size_t)length + 1;
    reader->left -= (size_t)length + 1;
    return text;
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL) fail_start(PAAS_INIT_STAGE_PLAN_READ, ENOMEM, "memory for the plan");
    return memory;
}

// A path inside the new root: absolute, and no component that is empty, "." or "..".
static const char *checked_target(const char *path) {
    if (path[0] != '/' || path[1] == '\0') invalid("a mount's target");
    for (const char *component = path + 1;;) {
        size_t length = strcspn(component, "/");
        bool is_dots = (length == 1 && component[0] == '.') || (length == 2 && strncmp(component, "..", 2) == 0);
        if (length == 0 || length > 255 || is_dots) invalid("a mount's target");
        if (component[length] == '\0') return path + 1;
        component += length + 1;
    }
}

static char **take_strings(struct reader *reader, uint32_t count, const char *what) {
    char **strings = allocate((size_t)count + 1, sizeof *strings);
    for (uint32_t i = 0; i < count; i++) strings[i] = take_string(reader, what);
    return strings;
}

static void take_mounts(struct reader *reader, struct plan *plan) {
    plan->mounts = allocate(plan->header.mount_count, sizeof *plan->mounts);
    for (uint32_t i = 0; i < plan->header.mount_count; i++) {
        struct mount_entry *entry = &plan->mounts[i];
        take(reader, &entry->header, sizeof entry->header, "a mount");
        if (entry->header.kind < PAAS_INIT_MOUNT_BIND || entry->header.kind > PAAS_INIT_MOUNT_DISK) {
            invalid("a mount's kind");
        }
        if (entry->header.flags > 31 || entry->header.mode > 01777 || entry->header.reserved != 0) {
            invalid("a mount's flags");
        }
        entry->source = take_string(reader, "a mount's source");
        entry->target = checked_target(take_string(reader, "a mount's target"));
        bool is_path = entry->header.kind == PAAS_INIT_MOUNT_BIND || entry->header.kind == PAAS_INIT_MOUNT_DISK;
        if (is_path && entry->source[0] != '/') invalid("a mount's source");
    }
}

static void take_landlock(struct reader *reader, struct plan *plan) {
    plan->landlock_paths = allocate(plan->header.landlock_path_count, sizeof *plan->landlock_paths);
    for (uint32_t i = 0; i < plan->header.landlock_path_count; i++) {
        struct landlock_path *rule = &plan->landlock_paths[i];
        take(reader, &rule->header, sizeof rule->header, "a rule for a path");
        if (rule->header.flags > 1 || rule->header.reserved != 0) invalid("the flags of a rule for a path");
        rule->path = take_string(reader, "the path of a rule");
        if (rule->path[0] != '/') invalid("the path of a rule");
    }
    plan->landlock_ports = allocate(plan->header.landlock_port_count, sizeof *plan->landlock_ports);
    take(reader, plan->landlock_ports, plan->header.landlock_port_count * sizeof *plan->landlock_ports,
         "the rules for ports");
}

static void check_header(const struct paas_init_plan_header *header, size_t size) {
    if (header->magic != PAAS_INIT_PLAN_MAGIC) invalid("the magic number");
    if (header->version != PAAS_INIT_PLAN_VERSION) invalid("the version: agent and paas-init differ");
    if (header->size != size) invalid("the size");
    if (header->namespaces > 63) invalid("the namespaces");
    if (header->connector_port > UINT16_MAX || header->awaits_egress > 1) invalid("the network");
    if ((header->flags & ~(uint32_t)PAAS_INIT_FLAGS) != 0) invalid("the flags");
    // (uid_t)-1 would make setresuid change nothing.
    if (header->uid == 0 || header->gid == 0 || header->uid == UINT32_MAX || header->gid == UINT32_MAX) {
        invalid("the user and group: an app never runs as root");
    }
    if (header->oom_score_adj < -1000 || header->oom_score_adj > 1000) invalid("oom_score_adj");
    if (header->argument_count < 1 || header->argument_count > PAAS_INIT_PLAN_MAX_ARGUMENTS) invalid("the arguments");
    if (header->environment_count > PAAS_INIT_PLAN_MAX_VARIABLES) invalid("the environment");
    if (header->rlimit_count > PAAS_INIT_PLAN_MAX_RLIMITS) invalid("the resource limits");
    if (header->mount_count > PAAS_INIT_PLAN_MAX_MOUNTS) invalid("the mounts");
    if (header->filter_count > PAAS_INIT_PLAN_MAX_FILTER) invalid("the system-call filter");
    if (header->denial_pause_ms > PAAS_INIT_PLAN_MAX_DENIAL_PAUSE_MS) invalid("the pause between denials");
    if (header->landlock_path_count > PAAS_INIT_PLAN_MAX_LANDLOCK_RULES ||
        header->landlock_port_count > PAAS_INIT_PLAN_MAX_LANDLOCK_RULES) {
        invalid("the rules of Landlock");
    }
    if ((header->flags & PAAS_INIT_FLAG_JOIN) &&
        (header->mount_count > 0 || header->connector_port != 0 || header->awaits_egress != 0 ||
         header->denial_pause_ms != 0 || (header->flags & PAAS_INIT_FLAG_WAIT))) {
        invalid("mounts, a network, denials or a wait for a run that is joined");
    }
    // Without a mount namespace of its own a mount would change the machine.
    if (header->mount_count > 0 && !(header->namespaces & PAAS_INIT_NS_MOUNT)) invalid("mounts without a namespace");
}

static size_t read_whole(char *buffer, size_t capacity) {
    size_t count = 0;
    while (count < capacity) {
        ssize_t got = pread(PAAS_INIT_FD_PLAN, buffer + count, capacity - count, (off_t)count);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail_start(PAAS_INIT_STAGE_PLAN_READ, errno, "the plan's descriptor");
        if (got == 0) break;
        count += (size_t)got;
    }
    return count;
}

void read_plan(struct plan *plan) {
    size_t capacity = PAAS_INIT_PLAN_MAX_BYTES + 1;
    char *buffer = allocate(capacity, 1);
    struct reader reader = {.next = buffer, .left = read_whole(buffer, capacity)};
    size_t size = reader.left;
    if (size > PAAS_INIT_PLAN_MAX_BYTES) invalid("the size: over 1 MiB");

    memset(plan, 0, sizeof *plan);
    take(&reader, &plan->header, sizeof plan->header, "the header");
    check_header(&plan->header, size);
    plan->hostname = take_string(&reader, "the host name");
    if (strlen(plan->hostname) > 64) invalid("the host name");
    plan->working_directory = take_string(&reader, "the working directory");
    if (plan->working_directory[0] != '/') invalid("the working directory");
    plan->arguments = take_strings(&reader, plan->header.argument_count, "an argument");
    if (plan->arguments[0][0] == '\0') invalid("the program's name");
    plan->environment = take_strings(&reader, plan->header.environment_count, "a variable");
    plan->rlimits = allocate(plan->header.rlimit_count, sizeof *plan->rlimits);
    take(&reader, plan->rlimits, plan->header.rlimit_count * sizeof *plan->rlimits, "the resource limits");
    take_mounts(&reader, plan);
    plan->filter = allocate(plan->header.filter_count, sizeof *plan->filter);
    take(&reader, plan->filter, plan->header.filter_count * sizeof *plan->filter, "the system-call filter");
    take_landlock(&reader, plan);
    if (reader.left != 0) invalid("bytes after the end");
}
