// SPDX-License-Identifier: Apache-2.0
//
// Which loop device has a file. The agent asks it before it replaces an image, paas-init before it mounts one.
#ifndef LOOP_DEVICE_H
#define LOOP_DEVICE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOOP_DEVICE_PATH_BYTES = 32 };

static inline void loop_device_path(char path[LOOP_DEVICE_PATH_BYTES], unsigned number) {
    snprintf(path, LOOP_DEVICE_PATH_BYTES, "/dev/loop%u", number);
}

// A descriptor of the loop device that has the file, and the device's path; or -ENOENT when none has it, or another
// negative errno. The device keeps the file at least until the descriptor is closed: it is opened before it is asked, and
// the kernel takes a file from a device by itself (LO_FLAGS_AUTOCLEAR) only when nobody has that open.
static inline int loop_device_of(const struct stat *file, char path[LOOP_DEVICE_PATH_BYTES]) {
    DIR *devices = opendir("/sys/block");
    if (devices == NULL) return -errno;
    int found = -ENOENT;
    for (struct dirent *entry; found == -ENOENT && (entry = readdir(devices)) != NULL;) {
        unsigned number;
        char attached[64];
        if (sscanf(entry->d_name, "loop%u", &number) != 1) continue;
        snprintf(attached, sizeof attached, "/sys/block/loop%u/loop/backing_file", number);
        if (access(attached, F_OK) != 0) continue;
        loop_device_path(path, number);
        // Not for writing: that of others may be read-only.
        int device = open(path, O_RDONLY | O_CLOEXEC);
        if (device < 0) {
            // It has lost its file, or is gone, since the look into /sys. Anything else may hide what is asked for.
            if (errno != ENOENT && errno != ENXIO) found = -errno;
            continue;
        }
        struct loop_info64 info;
        if (ioctl(device, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file->st_dev &&
            info.lo_inode == file->st_ino) {
            found = device;
        } else {
            close(device);
        }
    }
    closedir(devices);
    return found;
}

#endif
