// SPDX-License-Identifier: Apache-2.0
//
// Into the namespaces of a run that lives, for a command beside its app. This process itself stays outside of the pid
// namespace, where the app cannot see it; the command that it forks is inside.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

static const struct {
    uint32_t wanted;
    int flag;
} namespaces[] = {
    {PAAS_INIT_NS_MOUNT, CLONE_NEWNS}, {PAAS_INIT_NS_PID, CLONE_NEWPID},       {PAAS_INIT_NS_IPC, CLONE_NEWIPC},
    {PAAS_INIT_NS_UTS, CLONE_NEWUTS},  {PAAS_INIT_NS_CGROUP, CLONE_NEWCGROUP}, {PAAS_INIT_NS_NETWORK, CLONE_NEWNET},
};

void join_namespaces(const struct plan *plan) {
    int flags = 0;
    for (size_t i = 0; i < sizeof namespaces / sizeof *namespaces; i++) {
        if (plan->header.namespaces & namespaces[i].wanted) flags |= namespaces[i].flag;
    }
    // All or none of them (setns(2)); root and working directory become those of the run's mount namespace. From here to
    // the drop of privileges no path is looked up: what lies there is the app's.
    if (flags != 0 && setns(PAAS_INIT_FD_CONNECTOR, flags) != 0) {
        fail_start(PAAS_INIT_STAGE_NAMESPACES, errno, "setns");
    }
    close(PAAS_INIT_FD_CONNECTOR);
    close(PAAS_INIT_FD_PLAN);
}
