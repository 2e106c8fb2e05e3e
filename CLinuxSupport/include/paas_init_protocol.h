// SPDX-License-Identifier: Apache-2.0
//
// What the agent and paas-init say to each other: descriptors, the plan, the start error, the exit record.
//
// Both run on one machine, so integers have the machine's byte order. Sources/Sandbox encodes and decodes the same
// layouts in Swift; Tests/SandboxTests holds the two together by running the real paas-init. Numbers never change
// their meaning: a record that an older paas-init wrote is read by a newer agent.
#ifndef PAAS_INIT_PROTOCOL_H
#define PAAS_INIT_PROTOCOL_H

#include <stdint.h>

// Descriptors that paas-init is started with; it closes every other one.
enum paas_init_descriptor {
    PAAS_INIT_FD_NULL = 0,        // /dev/null
    PAAS_INIT_FD_STDOUT = 1,      // FIFO, opened O_RDWR and kept open, so that no app gets SIGPIPE without an agent
    PAAS_INIT_FD_STDERR = 2,      // FIFO, likewise
    PAAS_INIT_FD_PLAN = 3,        // the plan, a file that is read from offset 0
    PAAS_INIT_FD_ERROR = 4,       // write end of a pipe: one struct paas_init_start_error, or end of file: the app runs
    PAAS_INIT_FD_EXIT_RECORD = 5, // file that gets one struct paas_init_exit_record at offset 0
    PAAS_INIT_FD_COUNT = 6,
};

// The plan
//
// struct paas_init_plan_header, then without padding:
//   hostname, working directory      each a string
//   argument_count arguments         strings; the first is the program, searched in the plan's PATH without a '/'
//   environment_count variables      strings, NAME=value
//   rlimit_count limits              struct paas_init_rlimit
//   mount_count mounts               struct paas_init_mount, then source and target, each a string
//
// A string is a uint32_t length, that many bytes without NUL, and a NUL byte. Anything else, also a byte too many,
// makes the whole plan invalid.

#define PAAS_INIT_PLAN_MAGIC 0x4E4C5050u // "PPLN"
#define PAAS_INIT_PLAN_VERSION 1u

enum {
    PAAS_INIT_PLAN_MAX_BYTES = 1 << 20,
    PAAS_INIT_PLAN_MAX_ARGUMENTS = 65536,
    PAAS_INIT_PLAN_MAX_VARIABLES = 65536,
    PAAS_INIT_PLAN_MAX_RLIMITS = 16,
    PAAS_INIT_PLAN_MAX_MOUNTS = 128,
};

// Bits of paas_init_plan_header.namespaces.
enum paas_init_namespace {
    PAAS_INIT_NS_MOUNT = 1,
    PAAS_INIT_NS_PID = 2, // paas-init already is pid 1 of it
    PAAS_INIT_NS_IPC = 4,
    PAAS_INIT_NS_UTS = 8,
    PAAS_INIT_NS_CGROUP = 16,
};

struct paas_init_plan_header {
    uint32_t magic, version;
    uint32_t size; // of the whole plan
    uint32_t namespaces;
    uint32_t uid, gid; // never 0
    int32_t oom_score_adj;
    uint32_t argument_count, environment_count, rlimit_count, mount_count;
    uint32_t reserved; // 0
};

struct paas_init_rlimit {
    uint32_t resource; // RLIMIT_* of the machine
    uint32_t reserved; // 0
    uint64_t soft, hard; // RLIM_INFINITY is UINT64_MAX; lowered to the hard limit in force where that is lower
};

// Kinds of mounts, made in the plan's order. Targets are absolute paths in the app's view without "." and "..".
enum paas_init_mount_kind {
    PAAS_INIT_MOUNT_BIND = 1,    // source: path of the host, a directory or a file
    PAAS_INIT_MOUNT_TMPFS = 2,   // new and empty; size and mode count
    PAAS_INIT_MOUNT_PROC = 3,    // fresh, with the files that tell of the host masked
    PAAS_INIT_MOUNT_DEV = 4,     // tmpfs with the few harmless devices; size is that of /dev/shm
    PAAS_INIT_MOUNT_SYMLINK = 5, // source: the link's text
    PAAS_INIT_MOUNT_FILE = 6,    // source: the contents; mode counts
    PAAS_INIT_MOUNT_MASK = 7,    // an empty read-only directory over a directory that an earlier bind shows
};

enum paas_init_mount_flag {
    PAAS_INIT_MOUNT_READ_ONLY = 1,
    PAAS_INIT_MOUNT_RECURSIVE = 2,
    PAAS_INIT_MOUNT_NO_EXEC = 4,
    PAAS_INIT_MOUNT_OPTIONAL = 8, // skipped when the source (of a mask: the target) does not exist
};

struct paas_init_mount {
    uint32_t kind, flags;
    uint64_t size; // bytes
    uint32_t mode;
    uint32_t reserved; // 0
};

// Where a start failed, in the order in which things are done. Numbers are for ever; gaps are for later stages.
enum paas_init_stage {
    PAAS_INIT_STAGE_NONE = 0,
    PAAS_INIT_STAGE_PLAN_READ = 1,
    PAAS_INIT_STAGE_PLAN_INVALID = 2,
    PAAS_INIT_STAGE_PID_NAMESPACE = 3,
    PAAS_INIT_STAGE_KEYRING = 10,
    PAAS_INIT_STAGE_SESSION = 11,
    PAAS_INIT_STAGE_OOM_SCORE = 12,
    PAAS_INIT_STAGE_NAMESPACES = 13,
    PAAS_INIT_STAGE_HOSTNAME = 14,
    PAAS_INIT_STAGE_MOUNT_PRIVATE = 20,
    PAAS_INIT_STAGE_MOUNT_ROOT = 21,
    PAAS_INIT_STAGE_MOUNT_BIND = 22,
    PAAS_INIT_STAGE_MOUNT_TMPFS = 23,
    PAAS_INIT_STAGE_MOUNT_PROC = 24,
    PAAS_INIT_STAGE_MOUNT_DEV = 25,
    PAAS_INIT_STAGE_MOUNT_SYMLINK = 26,
    PAAS_INIT_STAGE_MOUNT_FILE = 27,
    PAAS_INIT_STAGE_MOUNT_MASK = 28,
    PAAS_INIT_STAGE_ROOT_READ_ONLY = 29,
    PAAS_INIT_STAGE_PIVOT_ROOT = 30,
    PAAS_INIT_STAGE_RLIMIT = 40,
    PAAS_INIT_STAGE_GROUPS = 41,
    PAAS_INIT_STAGE_SECUREBITS = 42,
    PAAS_INIT_STAGE_BOUNDING_SET = 43,
    PAAS_INIT_STAGE_GROUP_ID = 44,
    PAAS_INIT_STAGE_USER_ID = 45,
    PAAS_INIT_STAGE_CAPABILITIES = 46,
    PAAS_INIT_STAGE_NO_NEW_PRIVS = 47,
    PAAS_INIT_STAGE_DUMPABLE = 48,
    PAAS_INIT_STAGE_VERIFY = 49,
    PAAS_INIT_STAGE_SUBREAPER = 50,
    PAAS_INIT_STAGE_FORK = 51,
    PAAS_INIT_STAGE_APP_SESSION = 60,
    PAAS_INIT_STAGE_APP_DESCRIPTORS = 61,
    PAAS_INIT_STAGE_APP_DIRECTORY = 62,
    PAAS_INIT_STAGE_APP_SIGNALS = 63,
    // 70 to 79: Landlock. 80 to 89: seccomp. Both come after everything above and before EXEC.
    PAAS_INIT_STAGE_EXEC = 90,
};

// The start error: one write, smaller than PIPE_BUF, so it is there whole or not at all.

#define PAAS_INIT_ERROR_MAGIC 0x52455050u // "PPER"

struct paas_init_start_error {
    uint32_t magic;
    uint32_t stage; // enum paas_init_stage
    int32_t error;  // errno, or 0
    char detail[244]; // what the stage was applied to (a path, a program); NUL-terminated, cut when longer
};

// The exit record: one pwrite at offset 0 as soon as the app's first process has ended.

#define PAAS_INIT_EXIT_MAGIC 0x54585050u // "PPXT"
#define PAAS_INIT_EXIT_VERSION 1u

enum paas_init_exit_kind {
    PAAS_INIT_EXITED = 1,
    PAAS_INIT_SIGNALED = 2,
    PAAS_INIT_NOT_STARTED = 3, // stage and error say why
};

struct paas_init_exit_record {
    uint32_t magic, version;
    uint32_t size; // of this structure
    uint32_t kind; // enum paas_init_exit_kind
    int32_t code;   // exited: 0 to 255
    int32_t signal; // signaled: its number
    uint32_t core_dumped;
    uint32_t stage; // not started
    int32_t error;  // not started
    uint32_t reserved; // 0
    uint64_t user_us, system_us; // CPU time of the first process and its reaped descendants
    uint64_t max_rss_bytes;      // largest resident set among them
    uint64_t started_boottime_ns, ended_boottime_ns; // CLOCK_BOOTTIME
    uint64_t ended_realtime_ns;                      // CLOCK_REALTIME
};

_Static_assert(sizeof(struct paas_init_plan_header) == 48, "layout of the plan");
_Static_assert(sizeof(struct paas_init_rlimit) == 24, "layout of a limit");
_Static_assert(sizeof(struct paas_init_mount) == 24, "layout of a mount");
_Static_assert(sizeof(struct paas_init_start_error) == 256, "layout of the start error");
_Static_assert(sizeof(struct paas_init_exit_record) == 88, "layout of the exit record");

#endif
