// SPDX-License-Identifier: Apache-2.0
//
// The kernel's file-descriptor mount interface (Linux 5.12): a mount gets its attributes before it is anywhere in the
// tree, so there is no moment at which it is writable or honours set-user-ID bits.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void set_attributes(int tree, uint64_t set, bool recursive, enum paas_init_stage stage, const char *detail) {
    struct mount_attr attributes = {.attr_set = set, .propagation = MS_PRIVATE};
    unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    if (mount_setattr(tree, "", flags, &attributes, sizeof attributes) != 0) fail_start(stage, errno, detail);
}

int new_tmpfs(enum paas_init_stage stage, uint64_t bytes, uint32_t mode, bool no_exec, const char *detail) {
    char size_text[32], mode_text[16];
    snprintf(size_text, sizeof size_text, "%llu", (unsigned long long)bytes);
    snprintf(mode_text, sizeof mode_text, "%o", mode);
    int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
    if (context < 0) fail_start(stage, errno, detail);
    if (fsconfig(context, FSCONFIG_SET_STRING, "source", "paas", 0) != 0 ||
        fsconfig(context, FSCONFIG_SET_STRING, "size", size_text, 0) != 0 ||
        fsconfig(context, FSCONFIG_SET_STRING, "mode", mode_text, 0) != 0 ||
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) != 0) {
        fail_start(stage, errno, detail);
    }
    unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (no_exec ? MOUNT_ATTR_NOEXEC : 0);
    int tree = fsmount(context, FSMOUNT_CLOEXEC, attributes);
    if (tree < 0) fail_start(stage, errno, detail);
    close(context);
    return tree;
}

int clone_tree(int directory, const char *path, enum paas_init_stage stage, struct attributes attributes) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (attributes.recursive ? AT_RECURSIVE : 0);
    int tree = open_tree(directory, path, flags);
    if (tree < 0) fail_start(stage, errno, path);
    uint64_t set = MOUNT_ATTR_NOSUID;
    if (!attributes.keep_devices) set |= MOUNT_ATTR_NODEV;
    if (attributes.read_only) set |= MOUNT_ATTR_RDONLY;
    if (attributes.no_exec) set |= MOUNT_ATTR_NOEXEC;
    set_attributes(tree, set, attributes.recursive, stage, path);
    return tree;
}

// Opens a path below the new root without following a symbolic link: what an earlier bind shows must not lead a later
// mount astray (CVE-2021-30465, CVE-2025-31133 are of this kind).
int open_in_root(int root, const char *target) {
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, root, target, &how, sizeof how);
}

void attach(int tree, int root, const char *target, enum paas_init_stage stage) {
    int place = open_in_root(root, target);
    if (place < 0) fail_start(stage, errno, target);
    if (move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0) {
        fail_start(stage, errno, target);
    }
    close(place);
    close(tree);
}

void make_parents(int root, const char *target, enum paas_init_stage stage) {
    char path[4096];
    if (strlen(target) >= sizeof path) fail_start(stage, ENAMETOOLONG, target);
    strcpy(path, target);
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        // The umask is 0 while the tree is made, so modes are as written.
        if (mkdirat(root, path, 0755) != 0 && errno != EEXIST) fail_start(stage, errno, target);
        *slash = '/';
    }
}

void make_target(int root, const char *target, bool is_directory, enum paas_init_stage stage) {
    make_parents(root, target, stage);
    if (is_directory) {
        if (mkdirat(root, target, 0755) != 0 && errno != EEXIST) fail_start(stage, errno, target);
        return;
    }
    int file = openat(root, target, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (file < 0 && errno != EEXIST) fail_start(stage, errno, target);
    if (file >= 0) close(file);
}
