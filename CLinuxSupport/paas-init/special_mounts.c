// SPDX-License-Identifier: Apache-2.0
//
// /proc, /dev and masks.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// What masks are made of: of our own making, never a path of the host that could be a link (CVE-2025-31133). They lie
// in the new root while it is built and are unlinked before it becomes visible.
static const char mask_file[] = ".paas-mask-file";
static const char mask_directory[] = ".paas-mask-directory";

static void ensure_mask_sources(int root, enum paas_init_stage stage) {
    int file = openat(root, mask_file, O_CREAT | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (file < 0) fail_start(stage, errno, mask_file);
    close(file);
    if (mkdirat(root, mask_directory, 0555) != 0 && errno != EEXIST) fail_start(stage, errno, mask_directory);
}

void remove_mask_sources(int root) {
    if (unlinkat(root, mask_file, 0) != 0 && errno != ENOENT) {
        fail_start(PAAS_INIT_STAGE_MOUNT_MASK, errno, mask_file);
    }
    if (unlinkat(root, mask_directory, AT_REMOVEDIR) != 0 && errno != ENOENT) {
        fail_start(PAAS_INIT_STAGE_MOUNT_MASK, errno, mask_directory);
    }
}

void mount_mask(int root, const char *target, enum paas_init_stage stage, bool is_optional) {
    int place = open_in_root(root, target);
    if (place < 0) {
        if (is_optional && (errno == ENOENT || errno == ENOTDIR)) return;
        fail_start(stage, errno, target);
    }
    struct stat status;
    if (fstat(place, &status) != 0) fail_start(stage, errno, target);
    close(place);
    ensure_mask_sources(root, stage);
    const char *source = S_ISDIR(status.st_mode) ? mask_directory : mask_file;
    int tree = clone_tree(root, source, stage, (struct attributes){.read_only = true, .no_exec = true});
    attach(tree, root, target, stage);
}

static void path_below(char *path, size_t size, const char *directory, const char *name, enum paas_init_stage stage) {
    int length = snprintf(path, size, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= size) fail_start(stage, ENAMETOOLONG, name);
}

// Kernel-wide files that tell of the host or of other apps, or that change it.
static const char *const masked_proc[] = {
    "acpi", "asound", "cmdline", "config.gz", "interrupts", "iomem", "ioports", "kallsyms", "kcore", "key-users",
    "keys", "kmsg", "kpagecgroup", "kpagecount", "kpageflags", "latency_stats", "modules", "pagetypeinfo",
    "sched_debug", "scsi", "slabinfo", "timer_list", "timer_stats", "vmallocinfo", "zoneinfo",
};
static const char *const read_only_proc[] = {"bus", "fs", "irq", "pressure", "sys", "sysrq-trigger"};

void mount_proc(int root, const char *target) {
    const enum paas_init_stage stage = PAAS_INIT_STAGE_MOUNT_PROC;
    // A fresh instance of *our* pid namespace; anything else would show the host's processes.
    if (getpid() != 1) fail_start(stage, EPERM, "/proc without a pid namespace");
    make_target(root, target, true, stage);
    int context = fsopen("proc", FSOPEN_CLOEXEC);
    if (context < 0) fail_start(stage, errno, target);
    if (fsconfig(context, FSCONFIG_SET_STRING, "source", "proc", 0) != 0 ||
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0) {
        fail_start(stage, errno, target);
    }
    int tree = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (tree < 0) fail_start(stage, errno, target);
    close(context);
    attach(tree, root, target, stage);

    char path[512];
    for (size_t i = 0; i < sizeof read_only_proc / sizeof *read_only_proc; i++) {
        path_below(path, sizeof path, target, read_only_proc[i], stage);
        int place = open_in_root(root, path);
        if (place < 0 && errno == ENOENT) continue; // not in every kernel
        if (place < 0) fail_start(stage, errno, path);
        close(place);
        attach(clone_tree(root, path, stage, (struct attributes){.read_only = true, .no_exec = true}), root, path,
               stage);
    }
    for (size_t i = 0; i < sizeof masked_proc / sizeof *masked_proc; i++) {
        path_below(path, sizeof path, target, masked_proc[i], stage);
        mount_mask(root, path, stage, true);
    }
}

struct device {
    const char *name;
    unsigned major, minor;
};
static const struct device devices[] = {
    {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

struct link {
    const char *name, *text;
};
static const struct link links[] = {
    {"fd", "/proc/self/fd"},
    {"stdin", "/proc/self/fd/0"},
    {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"},
};

void mount_dev(int root, const char *target, uint64_t shm_bytes) {
    const enum paas_init_stage stage = PAAS_INIT_STAGE_MOUNT_DEV;
    make_target(root, target, true, stage);
    int dev = new_tmpfs(stage, 1 << 16, 0755, true, target);
    int kept = fcntl(dev, F_DUPFD_CLOEXEC, PAAS_INIT_FD_COUNT);
    if (kept < 0) fail_start(stage, errno, target);
    attach(dev, root, target, stage);

    char path[512];
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        // Bound from the host, because mknod is forbidden in a user namespace; read-only, so that its mode, owner and
        // times cannot be changed (a device can be written to all the same).
        snprintf(path, sizeof path, "/dev/%s", devices[i].name);
        int tree = clone_tree(AT_FDCWD, path, stage,
                              (struct attributes){.read_only = true, .no_exec = true, .keep_devices = true});
        struct stat status;
        if (fstat(tree, &status) != 0) fail_start(stage, errno, path);
        if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(devices[i].major, devices[i].minor)) {
            fail_start(stage, ENODEV, path);
        }
        make_target(kept, devices[i].name, false, stage);
        attach(tree, kept, devices[i].name, stage);
    }
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        if (symlinkat(links[i].text, kept, links[i].name) != 0) fail_start(stage, errno, links[i].name);
    }
    make_target(kept, "shm", true, stage);
    attach(new_tmpfs(stage, shm_bytes, 01777, true, "/dev/shm"), kept, "shm", stage);
    set_attributes(kept, MOUNT_ATTR_RDONLY, false, stage, target);
    close(kept);
}
