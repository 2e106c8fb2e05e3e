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
    PAAS_INIT_FD_NULL = 0,        // /dev/null; for a command that somebody types to, a pipe or a terminal
    PAAS_INIT_FD_STDOUT = 1,      // FIFO, opened O_RDWR and kept open, so that no app gets SIGPIPE without an agent
    PAAS_INIT_FD_STDERR = 2,      // FIFO, likewise
    PAAS_INIT_FD_PLAN = 3,        // the plan, a file that is read from offset 0
    PAAS_INIT_FD_ERROR = 4,       // write end of a pipe: one struct paas_init_start_error, or end of file: the app runs
    PAAS_INIT_FD_EXIT_RECORD = 5, // file that gets one struct paas_init_exit_record at offset 0
    PAAS_INIT_FD_CONNECTOR = 6,   // listening Unix socket (SOCK_SEQPACKET); anything when connector_port is 0; with
                                  // PAAS_INIT_FLAG_JOIN a pidfd of the run's paas-init
    PAAS_INIT_FD_EGRESS = 7,      // stream socket that one byte comes from once outside can be reached; anything without it
    PAAS_INIT_FD_ENDED = 8,       // FIFO, opened O_RDWR, that gets the exit record as well; see PAAS_INIT_FLAG_LINGER
    PAAS_INIT_FD_DENIALS = 9,     // FIFO, opened O_RDWR | O_NONBLOCK, that gets struct paas_init_denial; anything when
                                  // denial_pause_ms is 0
    PAAS_INIT_FD_GO = 10,         // FIFO; see PAAS_INIT_FLAG_WAIT; anything without it
    PAAS_INIT_FD_COUNT = 11,
};

// The plan
//
// struct paas_init_plan_header, then without padding:
//   hostname, working directory      each a string
//   argument_count arguments         strings; the first is the program, searched in the plan's PATH without a '/'
//   environment_count variables      strings, NAME=value
//   rlimit_count limits              struct paas_init_rlimit
//   mount_count mounts               struct paas_init_mount, then source and target, each a string
//   filter_count instructions        struct sock_filter: what the kernel asks before each system call of the app
//   landlock_path_count rules        struct paas_init_landlock_path, then the path in the app's view, a string
//   landlock_port_count rules        struct paas_init_landlock_port
//
// A string is a uint32_t length, that many bytes without NUL, and a NUL byte. Anything else, also a byte too many,
// makes the whole plan invalid.

#define PAAS_INIT_PLAN_MAGIC 0x4E4C5050u // "PPLN"
#define PAAS_INIT_PLAN_VERSION 8u

enum {
    PAAS_INIT_PLAN_MAX_BYTES = 1 << 20,
    PAAS_INIT_PLAN_MAX_ARGUMENTS = 65536,
    PAAS_INIT_PLAN_MAX_VARIABLES = 65536,
    PAAS_INIT_PLAN_MAX_RLIMITS = 16,
    PAAS_INIT_PLAN_MAX_MOUNTS = 128,
    PAAS_INIT_PLAN_MAX_FILTER = 4096, // BPF_MAXINSNS
    PAAS_INIT_PLAN_MAX_LANDLOCK_RULES = 256,
    PAAS_INIT_PLAN_MAX_DENIAL_PAUSE_MS = 3600000,
};

// Bits of paas_init_plan_header.namespaces.
enum paas_init_namespace {
    PAAS_INIT_NS_MOUNT = 1,
    PAAS_INIT_NS_PID = 2, // paas-init already is pid 1 of it
    PAAS_INIT_NS_IPC = 4,
    PAAS_INIT_NS_UTS = 8,
    PAAS_INIT_NS_CGROUP = 16,
    PAAS_INIT_NS_NETWORK = 32, // paas-init already is in it; its loopback is down until paas-init brings it up
};

// Sent to paas-init, it kills the app's first process and then goes on as after any end of it: it writes the record. Not
// forwarded. SIGPWR of every Linux; apps are not told of power failures.
#define PAAS_INIT_SIGNAL_KILL 30

// Bits of paas_init_plan_header.flags.
enum paas_init_flag {
    // After the app's end paas-init writes the exit record to its file, then into PAAS_INIT_FD_ENDED, and stays until it
    // is killed: the FIFOs, and what the app last printed into them, live as long as it does. Without the flag it ends
    // with the app, and the descriptor may be anything.
    PAAS_INIT_FLAG_LINGER = 1,
    // Descriptor 0 is a terminal, and becomes the one that controls the app.
    PAAS_INIT_FLAG_TERMINAL = 2,
    // No namespaces are made: those of the plan are the ones that PAAS_INIT_FD_CONNECTOR's process lives in, and the app is
    // started in them. There are no mounts and no connector then.
    PAAS_INIT_FLAG_JOIN = 4,
    // Everything is done but the app's execve, which waits until there is something to read in PAAS_INIT_FD_GO: one struct
    // paas_init_go, that stays there unread. paas-init holds that end as long as it lives, so every agent can see whether a
    // run has begun. When the last writer is gone before that, paas-init ends and leaves nothing, no exit record either. Not
    // together with PAAS_INIT_FLAG_JOIN.
    PAAS_INIT_FLAG_WAIT = 8,
};
enum { PAAS_INIT_FLAGS = 15 };

struct paas_init_plan_header {
    uint32_t magic, version;
    uint32_t size; // of the whole plan
    uint32_t namespaces;
    uint32_t uid, gid; // never 0
    int32_t oom_score_adj;
    uint32_t argument_count, environment_count, rlimit_count, mount_count;
    uint32_t filter_count; // 0: no filter
    // What Landlock denies unless a rule allows it: rights on files, rights on TCP ports, and scopes. All 0: no Landlock.
    uint64_t landlock_fs, landlock_net, landlock_scoped;
    uint32_t landlock_path_count, landlock_port_count;
    uint32_t connector_port; // TCP port on 127.0.0.1 that the connector leads to; 0: no connector
    uint32_t awaits_egress;  // 1: the app is started once a byte has come from PAAS_INIT_FD_EGRESS, else 0
    uint32_t flags;          // enum paas_init_flag
    // Least time between two records of denials of one call; 0: nobody is told, and the filter answers by itself. Not
    // together with PAAS_INIT_FLAG_JOIN.
    uint32_t denial_pause_ms;
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
    PAAS_INIT_MOUNT_DISK = 8,    // source: path of an ext4 image on the host; it is grown to size where it is smaller
};

enum paas_init_mount_flag {
    PAAS_INIT_MOUNT_READ_ONLY = 1,
    PAAS_INIT_MOUNT_RECURSIVE = 2,
    PAAS_INIT_MOUNT_NO_EXEC = 4,
    PAAS_INIT_MOUNT_OPTIONAL = 8, // skipped when the source (of a mask: the target) does not exist
    PAAS_INIT_MOUNT_OWNED = 16,   // a file is the app's user's, not root's
};

struct paas_init_mount {
    uint32_t kind, flags;
    uint64_t size; // bytes
    uint32_t mode;
    uint32_t reserved; // 0
};

// Rights of Landlock that paas-init itself has to know; the others only pass through. Bits of linux/landlock.h.
enum paas_init_landlock_right {
    PAAS_INIT_LANDLOCK_EXECUTE = 1 << 0,
    PAAS_INIT_LANDLOCK_WRITE_FILE = 1 << 1,
    PAAS_INIT_LANDLOCK_READ_FILE = 1 << 2,
    PAAS_INIT_LANDLOCK_TRUNCATE = 1 << 14,
    PAAS_INIT_LANDLOCK_IOCTL_DEV = 1 << 15,
};

enum paas_init_landlock_flag {
    PAAS_INIT_LANDLOCK_OPTIONAL = 1, // skipped when the path does not exist
};

struct paas_init_landlock_path {
    uint64_t rights; // those of directories are left out for a file
    uint32_t flags;
    uint32_t reserved; // 0
};

struct paas_init_landlock_port {
    uint64_t rights, port;
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
    PAAS_INIT_STAGE_LOOPBACK = 15,
    PAAS_INIT_STAGE_CONNECTOR = 16,
    PAAS_INIT_STAGE_EGRESS = 17,
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
    PAAS_INIT_STAGE_MOUNT_DISK = 31, // among the mounts, whose numbers were taken
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
    PAAS_INIT_STAGE_APP_TERMINAL = 64,
    PAAS_INIT_STAGE_LANDLOCK_RULESET = 70,
    PAAS_INIT_STAGE_LANDLOCK_RULE = 71,
    PAAS_INIT_STAGE_LANDLOCK_RESTRICT = 72,
    PAAS_INIT_STAGE_SECCOMP = 80,
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

// What begins a run that waits. One write; paas-init looks at nothing but that it is there.

#define PAAS_INIT_GO_MAGIC 0x4F475050u // "PPGO"

struct paas_init_go {
    uint32_t magic;
    uint32_t reserved; // 0
    uint64_t monotonic_ns; // when it was written, CLOCK_MONOTONIC
    uint64_t realtime_ns;  // CLOCK_REALTIME
};

// The connector: a client sends requests, one a packet, and gets an answer to each, in their order. With an answer
// without an error comes one descriptor (SCM_RIGHTS): a non-blocking TCP socket of the app's network namespace that is
// connected to the app's port, or still connecting, or has failed to since (SO_ERROR tells). A client that sends
// anything else, or does not read its answers, is disconnected.

#define PAAS_INIT_CONNECTOR_MAGIC 0x4E435050u // "PPCN"

struct paas_init_connector_request {
    uint32_t magic;
};

struct paas_init_connector_answer {
    int32_t error; // errno, or 0
};

// Denials: how often the filter has answered a call with EPERM, in all since the start of the run, so that a record that is
// read twice, or lost, does no harm. One write each. The first denial of a call is told at once, the next ones together
// after the pause, and what is left before the exit record.

#define PAAS_INIT_DENIAL_MAGIC 0x4E445050u // "PPDN"
// In the place of a number: the app runs, and its denials cannot be seen on this kernel, or from within this container.
#define PAAS_INIT_DENIALS_UNSEEN UINT32_MAX

struct paas_init_denial {
    uint32_t magic;
    uint32_t call; // its number on this machine: the filter lets no other architecture in
    uint64_t count;
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

_Static_assert(sizeof(struct paas_init_plan_header) == 96, "layout of the plan");
_Static_assert(sizeof(struct paas_init_rlimit) == 24, "layout of a limit");
_Static_assert(sizeof(struct paas_init_mount) == 24, "layout of a mount");
_Static_assert(sizeof(struct paas_init_landlock_path) == 16, "layout of a rule for a path");
_Static_assert(sizeof(struct paas_init_landlock_port) == 16, "layout of a rule for a port");
_Static_assert(sizeof(struct paas_init_go) == 24, "layout of what begins a run");
_Static_assert(sizeof(struct paas_init_connector_request) == 4, "layout of a request");
_Static_assert(sizeof(struct paas_init_connector_answer) == 4, "layout of an answer");
_Static_assert(sizeof(struct paas_init_denial) == 16, "layout of a denial");
_Static_assert(sizeof(struct paas_init_start_error) == 256, "layout of the start error");
_Static_assert(sizeof(struct paas_init_exit_record) == 88, "layout of the exit record");

#endif
