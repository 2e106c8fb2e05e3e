// SPDX-License-Identifier: Apache-2.0
//
// Landlock (landlock(7)): a second fence behind the mount tree, of rules that the app itself could have made. The plan
// says what is handled, by the ABI of the kernel, which the agent has asked for; here nothing is decided.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// linux/landlock.h as of ABI 6; that of an older C library ends at the first field. The kernel takes a longer structure
// than it knows as long as the rest is 0.
struct ruleset_attributes {
    uint64_t handled_fs, handled_net, scoped;
};
struct path_attributes {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));
struct port_attributes {
    uint64_t allowed, port;
};
enum { RULE_PATH = 1, RULE_PORT = 2 };

// Rights that a file can have; those of directories are EINVAL in a rule for one.
static const uint64_t file_rights = PAAS_INIT_LANDLOCK_EXECUTE | PAAS_INIT_LANDLOCK_WRITE_FILE |
                                    PAAS_INIT_LANDLOCK_READ_FILE | PAAS_INIT_LANDLOCK_TRUNCATE |
                                    PAAS_INIT_LANDLOCK_IOCTL_DEV;

static void add_file(int ruleset, int file, uint64_t rights, const char *detail) {
    struct stat status;
    if (fstat(file, &status) != 0) fail_app(PAAS_INIT_STAGE_LANDLOCK_RULE, errno, detail);
    struct path_attributes rule = {.allowed = S_ISDIR(status.st_mode) ? rights : rights & file_rights, .parent = file};
    if (rule.allowed == 0) return; // ENOMSG
    // EBADFD: an anonymous pipe or socket. Those are in no directory, and Landlock lets them be opened again.
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) != 0 && errno != EBADFD) {
        fail_app(PAAS_INIT_STAGE_LANDLOCK_RULE, errno, detail);
    }
}

void restrict_itself(const struct plan *plan) {
    const struct paas_init_plan_header *header = &plan->header;
    if ((header->landlock_fs | header->landlock_net | header->landlock_scoped) == 0) return;
    struct ruleset_attributes handled = {header->landlock_fs, header->landlock_net, header->landlock_scoped};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (ruleset < 0) fail_app(PAAS_INIT_STAGE_LANDLOCK_RULESET, errno, NULL);

    for (uint32_t i = 0; i < header->landlock_path_count; i++) {
        const struct landlock_path *path = &plan->landlock_paths[i];
        int place = open(path->path, O_PATH | O_CLOEXEC);
        // An optional mount whose source this host does not have.
        if (place < 0 && errno == ENOENT && (path->header.flags & PAAS_INIT_LANDLOCK_OPTIONAL)) continue;
        if (place < 0) fail_app(PAAS_INIT_STAGE_LANDLOCK_RULE, errno, path->path);
        add_file(ruleset, place, path->header.rights, path->path);
        close(place);
    }
    // What is open already stays usable without a rule; to open it again by its name, /dev/stdout, needs one, because
    // the FIFO lies outside the view.
    if (header->landlock_fs != 0) {
        const uint64_t again =
            PAAS_INIT_LANDLOCK_READ_FILE | PAAS_INIT_LANDLOCK_WRITE_FILE | PAAS_INIT_LANDLOCK_TRUNCATE;
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
            add_file(ruleset, fd, again & header->landlock_fs, "a standard descriptor");
        }
    }
    for (uint32_t i = 0; i < header->landlock_port_count; i++) {
        struct port_attributes rule = {plan->landlock_ports[i].rights, plan->landlock_ports[i].port};
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) != 0) {
            fail_app(PAAS_INIT_STAGE_LANDLOCK_RULE, errno, "a port");
        }
    }
    // Needs no_new_privs, which drop_privileges has set and verified.
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) fail_app(PAAS_INIT_STAGE_LANDLOCK_RESTRICT, errno, NULL);
    close(ruleset);
}
