// SPDX-License-Identifier: Apache-2.0
//
// The app's view of the file system: an empty tmpfs, what the plan puts into it, and nothing else of the host.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Room for directories, links and the small files of /etc.
enum { ROOT_BYTES = 4 << 20 };

static void bind_entry(int root, const struct mount_entry *entry) {
    uint32_t flags = entry->header.flags;
    struct stat status;
    if (stat(entry->source, &status) != 0) {
        if ((flags & PAAS_INIT_MOUNT_OPTIONAL) && (errno == ENOENT || errno == ENOTDIR)) return;
        fail_start(PAAS_INIT_STAGE_MOUNT_BIND, errno, entry->source);
    }
    int tree = clone_tree(AT_FDCWD, entry->source, PAAS_INIT_STAGE_MOUNT_BIND, (struct attributes){
        .read_only = flags & PAAS_INIT_MOUNT_READ_ONLY,
        .no_exec = flags & PAAS_INIT_MOUNT_NO_EXEC,
        .recursive = flags & PAAS_INIT_MOUNT_RECURSIVE,
    });
    // Of what was opened, not of the name: the two may differ by now.
    if (fstat(tree, &status) != 0) fail_start(PAAS_INIT_STAGE_MOUNT_BIND, errno, entry->source);
    make_target(root, entry->target, S_ISDIR(status.st_mode), PAAS_INIT_STAGE_MOUNT_BIND);
    attach(tree, root, entry->target, PAAS_INIT_STAGE_MOUNT_BIND);
}

static void tmpfs_entry(int root, const struct mount_entry *entry) {
    bool no_exec = entry->header.flags & PAAS_INIT_MOUNT_NO_EXEC;
    int tree = new_tmpfs(PAAS_INIT_STAGE_MOUNT_TMPFS, entry->header.size, entry->header.mode, no_exec, entry->target);
    make_target(root, entry->target, true, PAAS_INIT_STAGE_MOUNT_TMPFS);
    attach(tree, root, entry->target, PAAS_INIT_STAGE_MOUNT_TMPFS);
}

static void symlink_entry(int root, const struct mount_entry *entry) {
    make_parents(root, entry->target, PAAS_INIT_STAGE_MOUNT_SYMLINK);
    if (symlinkat(entry->source, root, entry->target) != 0) {
        fail_start(PAAS_INIT_STAGE_MOUNT_SYMLINK, errno, entry->target);
    }
}

static void file_entry(int root, const struct mount_entry *entry, const struct plan *plan) {
    make_parents(root, entry->target, PAAS_INIT_STAGE_MOUNT_FILE);
    int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC;
    int file = openat(root, entry->target, flags, entry->header.mode);
    if (file < 0) fail_start(PAAS_INIT_STAGE_MOUNT_FILE, errno, entry->target);
    size_t length = strlen(entry->source);
    if (write(file, entry->source, length) != (ssize_t)length) {
        fail_start(PAAS_INIT_STAGE_MOUNT_FILE, errno, entry->target);
    }
    if ((entry->header.flags & PAAS_INIT_MOUNT_OWNED) && fchown(file, plan->header.uid, plan->header.gid) != 0) {
        fail_start(PAAS_INIT_STAGE_MOUNT_FILE, errno, entry->target);
    }
    close(file);
}

static void make_entry(int root, const struct mount_entry *entry, const struct plan *plan) {
    bool is_optional = entry->header.flags & PAAS_INIT_MOUNT_OPTIONAL;
    switch (entry->header.kind) {
    case PAAS_INIT_MOUNT_BIND: bind_entry(root, entry); break;
    case PAAS_INIT_MOUNT_TMPFS: tmpfs_entry(root, entry); break;
    case PAAS_INIT_MOUNT_PROC: mount_proc(root, entry->target); break;
    case PAAS_INIT_MOUNT_DEV: mount_dev(root, entry->target, entry->header.size); break;
    case PAAS_INIT_MOUNT_SYMLINK: symlink_entry(root, entry); break;
    case PAAS_INIT_MOUNT_FILE: file_entry(root, entry, plan); break;
    case PAAS_INIT_MOUNT_MASK: mount_mask(root, entry->target, PAAS_INIT_STAGE_MOUNT_MASK, is_optional); break;
    case PAAS_INIT_MOUNT_DISK: mount_disk(root, entry); break;
    }
}

void make_mount_tree(const struct plan *plan) {
    // First of all: whatever is done here must not travel back to the machine's own tree.
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        fail_start(PAAS_INIT_STAGE_MOUNT_PRIVATE, errno, "/");
    }
    umask(0);

    // Mounted over "/": absolute paths go on meaning the host's tree, because path lookup begins at this process's
    // root, below the new mount; so sources may lie anywhere.
    int root = new_tmpfs(PAAS_INIT_STAGE_MOUNT_ROOT, ROOT_BYTES, 0755, true, "/");
    if (move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) != 0) {
        fail_start(PAAS_INIT_STAGE_MOUNT_ROOT, errno, "/");
    }
    for (uint32_t i = 0; i < plan->header.mount_count; i++) make_entry(root, &plan->mounts[i], plan);
    remove_mask_sources(root);
    set_attributes(root, MOUNT_ATTR_RDONLY, false, PAAS_INIT_STAGE_ROOT_READ_ONLY, "/");

    // pivot_root(".", "."): the old root ends up on top of the new one and goes with the next call (pivot_root(2)).
    if (fchdir(root) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 ||
        chdir("/") != 0) {
        fail_start(PAAS_INIT_STAGE_PIVOT_ROOT, errno, "/");
    }
    close(root);
    umask(022);
}
