// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include "loop_device.h"

int cls_has_loop_device(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) return -errno;
    char name[LOOP_DEVICE_PATH_BYTES];
    int device = loop_device_of(&status, name);
    if (device == -ENOENT) return 0;
    if (device < 0) return device;
    close(device);
    return 1;
}
