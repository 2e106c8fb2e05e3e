// SPDX-License-Identifier: Apache-2.0
//
// The calls that the app's filter denies, made visible (seccomp_unotify(2)): the kernel asks paas-init, which answers EPERM
// as the filter would have, counts, and tells the agent through a FIFO. Nothing here waits for the app or for the agent,
// and nothing that the app sent is looked at but the number of the call. What a flood costs is the app's: paas-init lives
// in the same cgroup.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    CALLS = 1024,               // the filter answers numbers that are younger than its list by itself
    RECORDS_IN_A_PAUSE = 16,    // however many different calls are denied
    UNREAD_BYTES = 2048,        // in the FIFO, while nobody reads; the smallest has 4,096, and the end needs room
};

// SECCOMP_IOCTL_NOTIF_SET_FLAGS and its flag, which Debian 12's headers do not have.
static const unsigned long SET_LISTENER_FLAGS = _IOW('!', 4, uint64_t), WAKE_UP_HERE = 1;

int denial_link = -1;
static int own_link = -1;
static int listener = -1;

static uint64_t counts[CALLS], told[CALLS];
static bool told_in_pause[CALLS];
static uint64_t pause_length_ns, pause_end_ns;
static unsigned records_left;
static bool waits;     // something is told when the pause is over
static unsigned first; // whose turn it is when there is more to tell than may be told

static bool write_denial(uint32_t call, uint64_t count) {
    struct paas_init_denial record = {.magic = PAAS_INIT_DENIAL_MAGIC, .call = call, .count = count};
    ssize_t written;
    do written = write(PAAS_INIT_FD_DENIALS, &record, sizeof record); while (written < 0 && errno == EINTR);
    return written == (ssize_t)sizeof record;
}

// MARK: The listener

// The kernel's own structures may be larger than those that this was built with; the kernel would write beyond ours.
static bool kernel_fits(void) {
    struct seccomp_notif_sizes sizes;
    return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 &&
           sizes.seccomp_notif <= sizeof(struct seccomp_notif) &&
           sizes.seccomp_notif_resp <= sizeof(struct seccomp_notif_resp);
}

void open_denials(const struct plan *plan) {
    if (plan->header.denial_pause_ms == 0 || plan->header.filter_count == 0) return;
    pause_length_ns = (uint64_t)plan->header.denial_pause_ms * 1000000u;
    int ends[2];
    if (!kernel_fits()) {
        write_denial(PAAS_INIT_DENIALS_UNSEEN, 0);
        return;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        fail_start(PAAS_INIT_STAGE_SECCOMP, errno, "socketpair");
    }
    own_link = ends[0];
    // Out of the way of the numbers that the child moves its descriptors to.
    denial_link = fcntl(ends[1], F_DUPFD_CLOEXEC, PAAS_INIT_FD_COUNT);
    close(ends[1]);
    if (denial_link < 0) fail_start(PAAS_INIT_STAGE_SECCOMP, errno, "fcntl");
}

// The program with calls that are told of where it refuses them; without instructions where that would be too long.
//
// Of two filters' answers an error wins over a question to the listener. A filter of the agent's own, such as systemd's
// RestrictAddressFamilies=, would then give sockets its error instead of ours: those are refused as the program says.
static struct sock_fprog told_program(const struct sock_fprog *plain) {
    static const uint32_t refuse = SECCOMP_RET_ERRNO | EPERM;
    bool has_outer_filter = prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER;
    unsigned n = plain->len, head = has_outer_filter ? 3 : 0, length = has_outer_filter ? head + 2 * n : n;
    struct sock_fprog told = {.len = (unsigned short)length};
    if (length > BPF_MAXINSNS || (told.filter = calloc(length, sizeof *told.filter)) == NULL) return told;
    if (has_outer_filter) {
        told.filter[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        told.filter[1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1);
        told.filter[2] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, n);
        memcpy(told.filter + head + n, plain->filter, n * sizeof *told.filter);
    }
    memcpy(told.filter + head, plain->filter, n * sizeof *told.filter);
    for (unsigned i = head; i < head + n; i++) {
        struct sock_filter *instruction = &told.filter[i];
        if (instruction->code == (BPF_RET | BPF_K) && instruction->k == refuse) instruction->k = SECCOMP_RET_USER_NOTIF;
    }
    return told;
}

bool install_and_pass_on(struct sock_fprog *program) {
    if (denial_link < 0) return false;
    struct sock_fprog told = told_program(program);
    if (told.filter == NULL) return false;
    int fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &told);
    free(told.filter);
    // EBUSY: the agent runs in a container whose own filter has a listener, and there can be one only.
    if (fd < 0) return false;
    // From here to execve a call that the filter denies would wait for ever, because init waits until then: sendmsg, close,
    // execve, and the write of a failure are on every list. A listener that cannot be passed on is closed, and then the
    // kernel answers ENOSYS, which denies as well.
    char byte = 0;
    send_with_descriptor(denial_link, &byte, 1, fd);
    close(fd);
    return true;
}

void take_listener(void) {
    if (own_link < 0) return;
    close(denial_link);
    denial_link = -1;
    char byte;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes,
    };
    bool came = recvmsg(own_link, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) == 1 &&
                message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.header.cmsg_type == SCM_RIGHTS;
    if (came) {
        memcpy(&listener, CMSG_DATA(&control.header), sizeof listener);
        // The app waits while init answers, so both take turns on one processor: half the time. EINVAL before 6.6.
        ioctl(listener, SET_LISTENER_FLAGS, WAKE_UP_HERE);
    } else {
        write_denial(PAAS_INIT_DENIALS_UNSEEN, 0);
    }
    close(own_link);
    own_link = -1;
}

static void stop_listening(void) {
    if (listener >= 0) close(listener);
    listener = -1;
}

// MARK: Counting and telling

// True when it was told, and need not be told later.
static bool tell(unsigned call) {
    int unread = 0;
    if (records_left == 0 || told_in_pause[call]) return false;
    if (ioctl(PAAS_INIT_FD_DENIALS, FIONREAD, &unread) != 0 || unread > UNREAD_BYTES) return false;
    if (!write_denial(call, counts[call])) return false;
    told[call] = counts[call];
    told_in_pause[call] = true;
    records_left--;
    return true;
}

static void tell_what_waits(void) {
    waits = false;
    unsigned begin = first;
    for (unsigned i = 0; i < CALLS; i++) {
        unsigned call = (begin + i) % CALLS;
        if (counts[call] == told[call]) continue;
        if (tell(call)) first = call + 1;
        else waits = true;
    }
}

static void begin_pause(uint64_t now) {
    pause_end_ns = now + pause_length_ns;
    records_left = RECORDS_IN_A_PAUSE;
    memset(told_in_pause, 0, sizeof told_in_pause);
    if (waits) tell_what_waits();
}

static void count(int number) {
    if (number < 0 || number >= CALLS) return;
    counts[number]++;
    uint64_t now = nanoseconds(CLOCK_MONOTONIC);
    if (now >= pause_end_ns) begin_pause(now);
    if (counts[number] != told[number] && !tell((unsigned)number)) waits = true;
}

struct pollfd watch_denials(void) { return (struct pollfd){.fd = listener, .events = POLLIN}; }

int denials_timeout(void) {
    if (!waits) return -1;
    uint64_t now = nanoseconds(CLOCK_MONOTONIC);
    return now >= pause_end_ns ? 0 : (int)((pause_end_ns - now) / 1000000u) + 1;
}

// poll has said that there is one, so this does not wait.
static void answer_one(void) {
    struct seccomp_notif call = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
        // ENOENT: a signal has taken the caller out of it. Anything else will not change.
        if (errno != ENOENT && errno != EINTR) stop_listening();
        return;
    }
    struct seccomp_notif_resp answer = {.id = call.id, .error = -EPERM};
    // One that was interrupted before it had its answer asks again, and is counted then.
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0) count(call.data.nr);
}

void serve_denials(int events) {
    if (events & POLLIN) answer_one();
    // Nothing is left that has the filter.
    else if (events != 0) stop_listening();
    if (!waits) return;
    uint64_t now = nanoseconds(CLOCK_MONOTONIC);
    if (now >= pause_end_ns) begin_pause(now);
}

void close_denials(void) {
    stop_listening();
    for (unsigned call = 0; call < CALLS; call++) {
        // A FIFO that is full loses them; it is half empty as long as the app runs.
        if (counts[call] != told[call]) write_denial(call, counts[call]);
    }
}
