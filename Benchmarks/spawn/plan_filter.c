// SPDX-License-Identifier: Apache-2.0
// Writes the system-call filter of the plan that is descriptor 3 to standard output, as others take it too. The plan is read
// by paas-init's own parser.
#define _GNU_SOURCE
#include "init.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void fail_start(enum paas_init_stage stage, int error, const char *detail) {
    fprintf(stderr, "plan_filter: stage %d, error %d: %s\n", stage, error, detail != NULL ? detail : "");
    exit(1);
}

int main(void) {
    struct plan plan;
    read_plan(&plan);
    size_t count = plan.header.filter_count;
    return fwrite(plan.filter, sizeof *plan.filter, count, stdout) == count && fflush(stdout) == 0 ? 0 : 1;
}
