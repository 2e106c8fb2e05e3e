// SPDX-License-Identifier: Apache-2.0
//
// A file system in an image file: what limits the size of /data. It is mounted here and nowhere else, so no mount and no
// loop device outlives the last run that has it, whatever becomes of the agent.
//
// Every run of an app mounts the same loop device, which makes the kernel give them one file system together. Two devices
// with one image would be two file systems that know nothing of each other, and destroy it; hence the lock.
#define _GNU_SOURCE
#include "init.h"

#include "loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

// linux/ext4.h, which not every distribution has.
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

static const enum paas_init_stage stage = PAAS_INIT_STAGE_MOUNT_DISK;

// How often something is tried that another process was faster with, and the pause before a mount is: the last run's
// file system may be on its way out still. Together five seconds.
enum { ATTEMPTS = 500, PAUSE_NS = 10 * 1000 * 1000 };

// Blocks of a last group that mke2fs and resize2fs leave out at most: its own tables and fifty (ext2fs_initialize).
enum { USELESS_GROUP_BLOCKS = 2048 };

static int open_image(const char *path, uint64_t size, struct stat *status) {
    int image = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (image < 0) fail_start(stage, errno, path);
    while (flock(image, LOCK_EX) != 0) {
        if (errno != EINTR) fail_start(stage, errno, path);
    }
    if (fstat(image, status) != 0) fail_start(stage, errno, path);
    if (!S_ISREG(status->st_mode)) fail_start(stage, EINVAL, path);
    if (size > (uint64_t)status->st_size && ftruncate(image, (off_t)size) != 0) fail_start(stage, errno, path);
    return image;
}

// Gives the image to a free loop device. The kernel takes it away again when the last mount and descriptor are gone.
static int new_device(int image, char path[LOOP_DEVICE_PATH_BYTES]) {
    static const char control_path[] = "/dev/loop-control";
    int control = open(control_path, O_RDWR | O_CLOEXEC);
    if (control < 0) fail_start(stage, errno, control_path);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) fail_start(stage, errno, "a free loop device");
        loop_device_path(path, (unsigned)number);
        int device = open(path, O_RDWR | O_CLOEXEC);
        if (device < 0) fail_start(stage, errno, path);
        struct loop_config config = {.fd = (uint32_t)image, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
        snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "mini-paas");
        if (ioctl(device, LOOP_CONFIGURE, &config) == 0) {
            close(control);
            return device;
        }
        // EBUSY: another program has taken the device between the two calls.
        if (errno != EBUSY) fail_start(stage, errno, path);
        close(device);
    }
    fail_start(stage, EBUSY, "a free loop device");
}

static int shared_device(int image, const struct stat *status, char path[LOOP_DEVICE_PATH_BYTES]) {
    int device = loop_device_of(status, path);
    if (device == -ENOENT) return new_device(image, path);
    if (device < 0) fail_start(stage, -device, "/dev/loop*");
    // It may be of another size than the image: that has just grown, or its last growing was cut short.
    if (ioctl(device, LOOP_SET_CAPACITY) != 0) fail_start(stage, errno, path);
    return device;
}

// Nothing of the image's own making may tell the kernel what to do about an error in it.
static int create_tree(const char *device, bool no_exec) {
    int context = fsopen("ext4", FSOPEN_CLOEXEC);
    if (context < 0) return -1;
    int tree = -1;
    if (fsconfig(context, FSCONFIG_SET_STRING, "source", device, 0) == 0 &&
        fsconfig(context, FSCONFIG_SET_STRING, "errors", "remount-ro", 0) == 0 &&
        fsconfig(context, FSCONFIG_SET_FLAG, "discard", NULL, 0) == 0 &&
        fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
        unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (no_exec ? MOUNT_ATTR_NOEXEC : 0);
        tree = fsmount(context, FSMOUNT_CLOEXEC, attributes);
    }
    int error = errno;
    close(context);
    errno = error;
    return tree;
}

static int new_tree(const char *device, const char *image, bool no_exec) {
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    int tree = create_tree(device, no_exec);
    for (int attempt = 1; tree < 0 && errno == EBUSY && attempt < ATTEMPTS; attempt++) {
        nanosleep(&pause, NULL);
        tree = create_tree(device, no_exec);
    }
    if (tree < 0) fail_start(stage, errno, image);
    return tree;
}

static uint64_t field(const uint8_t *superblock, int offset) {
    uint64_t value = 0;
    for (int i = 3; i >= 0; i--) value = value << 8 | superblock[offset + i];
    return value;
}

// The blocks that a file system lacks to have as many as wanted. On the image its number may be an older one than in memory;
// then it is too small, and resizing to what is there already does nothing. 0 where so little is lacking that ext4 has left
// it out, as a last group that would be of no use.
static uint64_t missing_blocks(int image, const char *path, uint64_t wanted) {
    // s_blocks_count_hi, s_blocks_count_lo and s_blocks_per_group of struct ext4_super_block, little-endian, at offset 1024.
    uint8_t superblock[1024];
    if (pread(image, superblock, sizeof superblock, 1024) != sizeof superblock) fail_start(stage, EIO, path);
    uint64_t count = field(superblock, 0x150) << 32 | field(superblock, 0x4);
    uint64_t group = field(superblock, 0x20);
    bool ends_with_a_group = group > 0 && count % group == 0;
    if (wanted <= count || (ends_with_a_group && wanted - count < USELESS_GROUP_BLOCKS)) return 0;
    return wanted - count;
}

static void grow(int tree, int image, const char *path, uint64_t size) {
    struct statfs status;
    if (fstatfs(tree, &status) != 0 || status.f_bsize <= 0) fail_start(stage, errno, path);
    uint64_t wanted = size / (uint64_t)status.f_bsize;
    if (missing_blocks(image, path, wanted) == 0) return;
    int directory = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || ioctl(directory, EXT4_IOC_RESIZE_FS, &wanted) != 0) fail_start(stage, errno, path);
    close(directory);
}

void mount_disk(int root, const struct mount_entry *entry) {
    struct stat status;
    int image = open_image(entry->source, entry->header.size, &status);
    char path[LOOP_DEVICE_PATH_BYTES];
    int device = shared_device(image, &status, path);
    int tree = new_tree(path, entry->source, entry->header.flags & PAAS_INIT_MOUNT_NO_EXEC);
    if (entry->header.size > 0) grow(tree, image, entry->source, entry->header.size);
    make_target(root, entry->target, true, stage);
    attach(tree, root, entry->target, stage);
    // The mount holds the device from here on. The device holds the image as it was opened, and the lock with it.
    if (flock(image, LOCK_UN) != 0) fail_start(stage, errno, entry->source);
    close(device);
    close(image);
}
