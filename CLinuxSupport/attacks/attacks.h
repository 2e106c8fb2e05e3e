// SPDX-License-Identifier: Apache-2.0
//
// The attack suite: what an app must not be able to do. Harmless by construction, also where everything succeeds: an
// attack asks whether an act would be allowed (opens without writing, names file systems and files that do not exist,
// sends signal 0), acts on its own processes only, and runs in a child of its own.
#ifndef PAAS_ATTACKS_H
#define PAAS_ATTACKS_H

#include <errno.h>
#include <stddef.h>

// When an attack has succeeded.
enum success {
    WORKS,   // only when the act itself did
    REACHES, // when the kernel got as far as the arguments, which are wrong on purpose: any answer but a refusal
};

// What `attack` may return besides 0, it worked, and a positive errno.
enum { CANNOT_TRY = -1 };

struct attack {
    const char *name;
    const char *act;       // what is tried, in words
    const char *defence;   // what stops it
    const char *opened_by; // layers of the sandbox without which it succeeds; "everything": only outside any sandbox
    enum success success;
    int (*attack)(void);
    const char *needs;    // layer without which it is not expected to be stopped; NULL for none
    const char *unshown;  // why it does not succeed on a bare test machine either; NULL when it does
};

struct attack_group {
    const char *name;
    const struct attack *attacks;
    size_t count;
};

extern const struct attack_group files_group, kernel_group, socket_group, process_group, network_group;

#define GROUP(identifier, text, array) \
    const struct attack_group identifier = {text, array, sizeof(array) / sizeof *(array)}

// 0 for a result that is not negative, else errno.
static inline int outcome(long result) { return result < 0 ? errno : 0; }

// A path below the directory that an environment variable names; NULL when it is not set.
const char *path_below(const char *variable, const char *name);
// Runs a function in a child that waits, and hands its pid to another; kills it afterwards.
int with_child(int (*act)(int child));

#endif
