// SPDX-License-Identifier: Apache-2.0
//
// libseccomp behind functions without variable arguments.
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include <errno.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

int cls_seccomp_new(int denial_errno, void **filter) {
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ERRNO(denial_errno));
    if (context == NULL) return -ENOMEM;
    // An entry of another architecture is no mistake of a program that runs here: end the process, not one thread of it.
    int result = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    // paas-init sets no_new_privs itself. A binary search instead of one comparison for each name.
    if (result == 0) result = seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0);
    if (result == 0) result = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (result != 0) {
        seccomp_release(context);
        return result;
    }
    *filter = context;
    return 0;
}

int cls_seccomp_number(const char *name, int *number) {
    *number = seccomp_syscall_resolve_name(name);
    return *number == __NR_SCMP_ERROR ? -ENOENT : 0;
}

int cls_seccomp_name(int number, char *name, size_t capacity) {
    char *found = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
    if (found == NULL) return -ENOENT;
    int result = strlen(found) < capacity ? 0 : -ENOENT;
    if (result == 0) strcpy(name, found);
    free(found);
    return result;
}

int cls_seccomp_add(void *filter, int number, int answer_errno, const struct cls_seccomp_condition *conditions,
                    int count) {
    struct scmp_arg_cmp comparisons[CLS_SECCOMP_MAX_CONDITIONS];
    if (count < 0 || count > CLS_SECCOMP_MAX_CONDITIONS) return -EINVAL;
    for (int i = 0; i < count; i++) {
        comparisons[i] = (struct scmp_arg_cmp){
            .arg = conditions[i].argument,
            .op = SCMP_CMP_MASKED_EQ,
            .datum_a = conditions[i].mask,
            .datum_b = conditions[i].value,
        };
    }
    uint32_t action = answer_errno == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(answer_errno);
    return seccomp_rule_add_array(filter, action, number, (unsigned)count, comparisons);
}

int cls_seccomp_export(void *filter, int fd) { return seccomp_export_bpf(filter, fd); }

void cls_seccomp_free(void *filter) { seccomp_release(filter); }

uint32_t cls_seccomp_architecture(void) { return seccomp_arch_native(); }
