// SPDX-License-Identifier: Apache-2.0
//
// From root to nobody in particular. paas-init gives up its own privileges, not only the app's: the app inherits that.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    LOCKED_SECUREBITS = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                        SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
};

void set_rlimits(const struct plan *plan) {
    for (uint32_t i = 0; i < plan->header.rlimit_count; i++) {
        const struct paas_init_rlimit *wanted = &plan->rlimits[i];
        char detail[32];
        snprintf(detail, sizeof detail, "resource %u", wanted->resource);
        struct rlimit now;
        if (getrlimit((__rlimit_resource_t)wanted->resource, &now) != 0) {
            fail_start(PAAS_INIT_STAGE_RLIMIT, errno, detail);
        }
        // Never above what is in force: raising needs CAP_SYS_RESOURCE, and a stricter host is meant to be stricter.
        struct rlimit limit = {.rlim_max = wanted->hard < now.rlim_max ? wanted->hard : now.rlim_max};
        limit.rlim_cur = wanted->soft < limit.rlim_max ? wanted->soft : limit.rlim_max;
        if (setrlimit((__rlimit_resource_t)wanted->resource, &limit) != 0) {
            fail_start(PAAS_INIT_STAGE_RLIMIT, errno, detail);
        }
    }
}

static void drop_bounding_set(void) {
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
            fail_start(PAAS_INIT_STAGE_BOUNDING_SET, errno, NULL);
        }
    }
}

static void empty_capabilities(void) {
    // Ambient first: it must always be a subset of the others. EINVAL: a kernel without ambient capabilities.
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 && errno != EINVAL) {
        fail_start(PAAS_INIT_STAGE_CAPABILITIES, errno, "ambient");
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    if (syscall(SYS_capset, &header, none) != 0) fail_start(PAAS_INIT_STAGE_CAPABILITIES, errno, NULL);
}

// Reads everything back: a step that did nothing, for whatever reason, must not go unseen.
static void verify(const struct plan *plan) {
    uid_t real_user, effective_user, saved_user;
    gid_t real_group, effective_group, saved_group;
    getresuid(&real_user, &effective_user, &saved_user);
    getresgid(&real_group, &effective_group, &saved_group);
    uid_t uid = plan->header.uid;
    gid_t gid = plan->header.gid;
    if (real_user != uid || effective_user != uid || saved_user != uid) {
        fail_start(PAAS_INIT_STAGE_VERIFY, EPERM, "user id");
    }
    if (real_group != gid || effective_group != gid || saved_group != gid || getgroups(0, NULL) != 0) {
        fail_start(PAAS_INIT_STAGE_VERIFY, EPERM, "group ids");
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct now[_LINUX_CAPABILITY_U32S_3];
    if (syscall(SYS_capget, &header, now) != 0) fail_start(PAAS_INIT_STAGE_VERIFY, errno, "capabilities");
    for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        if (now[i].effective | now[i].permitted | now[i].inheritable) {
            fail_start(PAAS_INIT_STAGE_VERIFY, EPERM, "capabilities");
        }
    }
    for (int capability = 0, held; (held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0; capability++) {
        if (held != 0) fail_start(PAAS_INIT_STAGE_VERIFY, EPERM, "bounding set");
    }
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) fail_start(PAAS_INIT_STAGE_VERIFY, EPERM, "no_new_privs");
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) fail_start(PAAS_INIT_STAGE_VERIFY, EPERM, "dumpable");
}

void drop_privileges(const struct plan *plan) {
    // Groups and the bounding set need capabilities, so they come before the ids. With NO_SETUID_FIXUP set the change
    // of ids leaves the capability sets alone, and they are emptied last, explicitly.
    if (setgroups(0, NULL) != 0) fail_start(PAAS_INIT_STAGE_GROUPS, errno, NULL);
    if (prctl(PR_SET_SECUREBITS, LOCKED_SECUREBITS, 0, 0, 0) != 0) {
        fail_start(PAAS_INIT_STAGE_SECUREBITS, errno, NULL);
    }
    drop_bounding_set();
    gid_t gid = plan->header.gid;
    uid_t uid = plan->header.uid;
    if (setresgid(gid, gid, gid) != 0) fail_start(PAAS_INIT_STAGE_GROUP_ID, errno, NULL);
    if (setresuid(uid, uid, uid) != 0) fail_start(PAAS_INIT_STAGE_USER_ID, errno, NULL);
    empty_capabilities();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail_start(PAAS_INIT_STAGE_NO_NEW_PRIVS, errno, NULL);
    // The app has the same uid: not dumpable, paas-init can be neither traced nor looked into through /proc/1.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) fail_start(PAAS_INIT_STAGE_DUMPABLE, errno, NULL);
    verify(plan);
}
