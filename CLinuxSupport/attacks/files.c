// SPDX-License-Identifier: Apache-2.0
//
// Files of the machine, of the platform and of /proc. Nothing is ever written.
#define _GNU_SOURCE
#include "attacks.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <string.h>
#include <unistd.h>

static int opens(const char *path, int flags) {
    if (path == NULL) return CANNOT_TRY;
    return outcome(open(path, flags | O_CLOEXEC | O_NOFOLLOW));
}

// A masked file can be opened and is empty.
static int has_contents(const char *path) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return errno;
    char bytes[8]; // what /proc/kpagecount wants to be read by
    ssize_t count = read(file, bytes, sizeof bytes);
    return count > 0 ? 0 : count < 0 ? errno : ENODATA;
}

static int lists(const char *path) {
    if (path == NULL) return CANNOT_TRY;
    DIR *directory = opendir(path);
    if (directory == NULL) return errno;
    // More than "." and ".." .
    int count = 0;
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count > 2 ? 0 : ENODATA;
}

static int token(void) { return opens(path_below("ATTACK_HOME", "admin.token"), O_RDONLY); }
static int store(void) { return opens(path_below("ATTACK_HOME", "paasd/paas.db"), O_RDONLY); }
static int others_data(void) { return lists(path_below("ATTACK_HOME", "agent")); }
static int shadow(void) { return opens("/etc/shadow", O_RDONLY); }
static int root_home(void) { return opens("/root", O_RDONLY | O_DIRECTORY); }
static int kernel_settings(void) { return opens("/sys/kernel", O_RDONLY | O_DIRECTORY); }
static int sysctl_write(void) { return opens("/proc/sys/kernel/panic", O_WRONLY); }
static int sysrq(void) { return opens("/proc/sysrq-trigger", O_WRONLY); }
static int memory_of_kernel(void) { return has_contents("/proc/kcore"); }
static int keys(void) { return has_contents("/proc/keys"); }
static int symbols(void) { return has_contents("/proc/kallsyms"); }
static int timers(void) { return has_contents("/proc/timer_list"); }
static int pages(void) { return has_contents("/proc/kpagecount"); }
static int init_root(void) { return lists("/proc/1/root/"); }
static int init_descriptors(void) { return lists("/proc/1/fd"); }
static int init_memory(void) { return opens("/proc/1/mem", O_RDONLY); }
static int init_environment(void) { return has_contents("/proc/1/environ"); }
static int own_cgroup(void) { return opens(path_below("ATTACK_CGROUP", "cgroup.procs"), O_WRONLY); }
static int freeze(void) { return opens("/sys/fs/cgroup/cgroup.procs", O_WRONLY); }
// A file without a name: it is gone with the descriptor.
static int write_programs(void) { return opens("/usr", O_TMPFILE | O_WRONLY); }
static int write_bundle(void) { return opens(".", O_TMPFILE | O_WRONLY); }
static int write_settings(void) { return opens("/etc", O_TMPFILE | O_WRONLY); }

static int control_socket(void) {
    const char *path = path_below("ATTACK_HOME", "run/paasd.sock");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || strlen(path) >= sizeof address.sun_path) return CANNOT_TRY;
    strcpy(address.sun_path, path);
    int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return outcome(connect(client, (struct sockaddr *)&address, sizeof address));
}

// Major 8, minor 255: no machine has it, and it is removed at once.
static int block_device(void) {
    char path[64];
    snprintf(path, sizeof path, "/tmp/paas-attack-%d", getpid());
    int result = outcome(mknod(path, S_IFBLK | 0600, makedev(8, 255)));
    unlink(path);
    return result;
}

static int change_device(void) { return outcome(chmod("/dev/null", 0666)); } // as it is already

static int run_program_as_its_owner(void) {
    struct stat status;
    if (stat("/usr/bin/su", &status) != 0 && stat("/bin/busybox", &status) != 0) return CANNOT_TRY;
    char line[256];
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL) return errno;
    int result = CANNOT_TRY;
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "NoNewPrivs:\t", 12) == 0) result = line[12] == '1' ? EPERM : 0;
    }
    fclose(file);
    return result;
}

static const char tree[] = "mount tree, uid";
static const struct attack attacks[] = {
    {"read-token", "read the administrator's token", tree, "everything", WORKS, token, NULL, NULL},
    {"read-store", "read the control plane's database", tree, "everything", WORKS, store, NULL, NULL},
    {"control-socket", "connect to the control plane's socket", tree, "everything", WORKS, control_socket, NULL, NULL},
    {"read-agent", "list the agent's directory, with other apps' data in it", tree, "everything", WORKS, others_data,
     NULL,
     NULL},
    {"read-shadow", "read the password hashes", tree, "everything", WORKS, shadow, NULL,
     "the test machine has no shadow file"},
    {"read-root", "open root's home", tree, "everything", WORKS, root_home, NULL, NULL},
    {"sysfs", "open /sys", "mount tree", "mount-namespace", WORKS, kernel_settings, NULL, NULL},
    {"write-usr", "make a file below /usr", "read-only mount, Landlock, uid", "everything", WORKS, write_programs,
     NULL, NULL},
    {"write-etc", "make a file below /etc", "read-only mount, Landlock, uid", "everything", WORKS, write_settings,
     NULL, NULL},
    {"write-bundle", "make a file in its own bundle", "read-only mount, Landlock", "everything", WORKS, write_bundle,
     NULL, NULL},
    {"sysctl", "open a setting of the kernel for writing", "read-only mount, uid", "everything", WORKS, sysctl_write,
     NULL, NULL},
    {"sysrq", "open /proc/sysrq-trigger for writing", "read-only mount, uid", "everything", WORKS, sysrq, NULL, NULL},
    {"kcore", "read the kernel's memory", "mask, uid", "everything", WORKS, memory_of_kernel, NULL, NULL},
    {"proc-keys", "read the list of keys", "mask", "everything", WORKS, keys, NULL,
     "root of the test machine has no keys"},
    {"kallsyms", "read the addresses of the kernel", "mask", "mount-namespace", WORKS, symbols, NULL, NULL},
    {"timer-list", "read who waits for what", "mask, uid", "everything", WORKS, timers, NULL, NULL},
    {"kpagecount", "read the use of memory pages", "mask, uid", "everything", WORKS, pages, NULL, NULL},
    {"init-root", "enter the root of process 1", "not dumpable", "everything", WORKS, init_root, NULL, NULL},
    {"init-fd", "list the descriptors of process 1", "not dumpable", "everything", WORKS, init_descriptors, NULL, NULL},
    {"init-mem", "open the memory of process 1", "not dumpable", "everything", WORKS, init_memory, NULL, NULL},
    {"init-environ", "read the environment of process 1", "not dumpable", "everything", WORKS, init_environment,
     NULL, NULL},
    {"own-cgroup", "open the agent's cgroup.procs for writing", tree, "everything", WORKS, own_cgroup, NULL, NULL},
    {"root-cgroup", "open the root cgroup's cgroup.procs for writing", tree, "everything", WORKS, freeze, NULL, NULL},
    {"mknod", "make a block device", "seccomp, capabilities", "everything", WORKS, block_device, NULL, NULL},
    {"chmod-device", "change the mode of /dev/null", "read-only mount, uid", "everything", WORKS, change_device,
     NULL, NULL},
    {"setuid-program", "gain by a set-user-ID program", "no_new_privs, nosuid", "everything", WORKS,
     run_program_as_its_owner,
     NULL, NULL},
};
GROUP(files_group, "files", attacks);
