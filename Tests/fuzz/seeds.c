// SPDX-License-Identifier: Apache-2.0
//
// Writes the plans that fuzzing begins with: one small plan of each kind that the parser accepts, which together use
// everything there is in a plan. Made from the protocol's own header, so that they follow its changes.
//
//   seeds DIRECTORY
#define _GNU_SOURCE
#include "paas_init_protocol.h"

#include <linux/filter.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static char bytes[4096];
static size_t count;

static void put(const void *from, size_t length) {
    if (length > sizeof bytes - count) abort();
    memcpy(bytes + count, from, length);
    count += length;
}

static void put_string(const char *text) {
    uint32_t length = (uint32_t)strlen(text);
    put(&length, sizeof length);
    put(text, length + 1);
}

static void put_mount(struct paas_init_mount mount, const char *source, const char *target) {
    put(&mount, sizeof mount);
    put_string(source);
    put_string(target);
}

static void put_rule(struct paas_init_landlock_path rule, const char *path) {
    put(&rule, sizeof rule);
    put_string(path);
}

static void put_beginning(struct paas_init_plan_header header) {
    count = 0;
    header.magic = PAAS_INIT_PLAN_MAGIC;
    header.version = PAAS_INIT_PLAN_VERSION;
    header.uid = header.gid = 1900000000;
    header.argument_count = header.environment_count = 2;
    header.rlimit_count = header.filter_count = 1;
    put(&header, sizeof header);
    put_string("probe");
    put_string("/app");
    put_string("python3");
    put_string("-c");
    put_string("A=b");
    put_string("PORT=1");
    put(&(struct paas_init_rlimit){.resource = RLIMIT_CORE}, sizeof(struct paas_init_rlimit));
}

static const struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, 0x7fff0000);

static void put_mounts(void) {
    put_mount((struct paas_init_mount){.kind = PAAS_INIT_MOUNT_BIND, .flags = PAAS_INIT_MOUNT_READ_ONLY}, "/usr", "/usr");
    put_mount((struct paas_init_mount){.kind = PAAS_INIT_MOUNT_TMPFS, .size = 1 << 20, .mode = 01777}, "", "/tmp");
    put_mount((struct paas_init_mount){.kind = PAAS_INIT_MOUNT_PROC}, "", "/proc");
    put_mount((struct paas_init_mount){.kind = PAAS_INIT_MOUNT_DEV, .size = 4096}, "", "/dev");
    put_mount((struct paas_init_mount){.kind = PAAS_INIT_MOUNT_SYMLINK}, "usr/bin", "/bin");
    put_mount((struct paas_init_mount){.kind = PAAS_INIT_MOUNT_FILE, .mode = 0644}, "x\n", "/etc/hosts");
    put_mount((struct paas_init_mount){.kind = PAAS_INIT_MOUNT_MASK, .flags = PAAS_INIT_MOUNT_OPTIONAL}, "", "/usr/src");
}

// A run with a view, a network and a filter of its own.
static void make_run(void) {
    put_beginning((struct paas_init_plan_header){
        .namespaces = 63, .mount_count = 7, .landlock_fs = 0xffff, .landlock_net = 1, .landlock_scoped = 3,
        .landlock_path_count = 2, .landlock_port_count = 1, .connector_port = 20001, .awaits_egress = 1,
        .flags = PAAS_INIT_FLAG_LINGER | PAAS_INIT_FLAG_WAIT});
    put_mounts();
    put(&allow, sizeof allow);
    put_rule((struct paas_init_landlock_path){.rights = PAAS_INIT_LANDLOCK_READ_FILE}, "/");
    put_rule((struct paas_init_landlock_path){.rights = PAAS_INIT_LANDLOCK_EXECUTE, .flags = PAAS_INIT_LANDLOCK_OPTIONAL},
             "/usr");
    put(&(struct paas_init_landlock_port){.rights = 1, .port = 20001}, sizeof(struct paas_init_landlock_port));
}

// A command that joins such a run.
static void make_joining(void) {
    put_beginning((struct paas_init_plan_header){
        .namespaces = 63, .flags = PAAS_INIT_FLAG_JOIN | PAAS_INIT_FLAG_TERMINAL});
    put(&allow, sizeof allow);
}

static int write_plan(const char *directory, const char *name) {
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path) return -1;
    uint32_t size = (uint32_t)count;
    memcpy(bytes + offsetof(struct paas_init_plan_header, size), &size, sizeof size);
    FILE *file = fopen(path, "w");
    if (file == NULL) return -1;
    size_t written = fwrite(bytes, 1, count, file);
    return fclose(file) == 0 && written == count ? 0 : -1;
}

int main(int argument_count, char **arguments) {
    if (argument_count != 2) return fprintf(stderr, "usage: seeds DIRECTORY\n"), 64;
    make_run();
    if (write_plan(arguments[1], "run")) return perror("seeds"), 1;
    make_joining();
    if (write_plan(arguments[1], "join")) return perror("seeds"), 1;
    return 0;
}
