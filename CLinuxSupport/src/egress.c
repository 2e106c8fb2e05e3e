// SPDX-License-Identifier: Apache-2.0
//
// What the tool that carries an app's traffic may send: a BPF program on the tool's cgroup. It sits below the tool, on
// the host's side, so neither a mistake of the tool nor an app that talks it into something gets around it.
#define _GNU_SOURCE
#include "CLinuxSupport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// The kernel's assembler macros are not part of its public headers.
#define LOAD(size, to, from, at) \
    ((struct bpf_insn){.code = BPF_LDX | BPF_MEM | (size), .dst_reg = (to), .src_reg = (from), .off = (at)})
#define MOVE(to, from) ((struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (to), .src_reg = (from)})
#define SET(to, value) ((struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (to), .imm = (int)(value)})
#define ADD(to, value) ((struct bpf_insn){.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (to), .imm = (value)})
// 32-bit: an immediate of 64-bit arithmetic is sign-extended.
#define AND(to, value) ((struct bpf_insn){.code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = (to), .imm = (int)(value)})
#define IF_EQUAL(of, value, skip) \
    ((struct bpf_insn){.code = BPF_JMP32 | BPF_JEQ | BPF_K, .dst_reg = (of), .imm = (int)(value), .off = (skip)})
#define UNLESS_EQUAL(of, value, skip) \
    ((struct bpf_insn){.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = (of), .imm = (int)(value), .off = (skip)})
#define CALL(function) ((struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = (function)})
#define EXIT ((struct bpf_insn){.code = BPF_JMP | BPF_EXIT})
#define RETURN(value) SET(BPF_REG_0, value), EXIT

enum { PASS = 1, DROP = 0 };
// The first bytes of a packet, on the program's stack: an IPv4 header without options, and both ports.
enum { HEADER_BYTES = 24, FRAGMENT = 6, PROTOCOL = 9, DESTINATION = 16, PORT = 22, STACK = -HEADER_BYTES };
// Index of the loopback interface in every network namespace; whatever is sent to any address of the host goes there.
enum { LOOPBACK_INDEX = 1 };

// Instructions that drop what goes to a network: destination in R7.
#define DROP_NETWORK(mask, network) \
    MOVE(BPF_REG_8, BPF_REG_7), AND(BPF_REG_8, htonl(mask)), UNLESS_EQUAL(BPF_REG_8, htonl(network), 2), RETURN(DROP)

static long bpf(int command, union bpf_attr *attributes) {
    return syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static int load_filter(uint32_t resolver) {
    const struct bpf_insn program[] = {
        MOVE(BPF_REG_6, BPF_REG_1),
        LOAD(BPF_W, BPF_REG_7, BPF_REG_6, offsetof(struct __sk_buff, protocol)),
        IF_EQUAL(BPF_REG_7, htons(ETH_P_IP), 2), RETURN(DROP),
        // bpf_skb_load_bytes(packet, 0, stack, HEADER_BYTES): what is shorter is neither TCP nor UDP.
        SET(BPF_REG_2, 0), MOVE(BPF_REG_3, BPF_REG_10), ADD(BPF_REG_3, STACK), SET(BPF_REG_4, HEADER_BYTES),
        CALL(BPF_FUNC_skb_load_bytes),
        IF_EQUAL(BPF_REG_0, 0, 2), RETURN(DROP),
        LOAD(BPF_W, BPF_REG_7, BPF_REG_10, STACK + DESTINATION),

        // The host's name server, wherever it is: UDP or TCP to port 53, not in fragments. 12 instructions.
        UNLESS_EQUAL(BPF_REG_7, resolver, 12),
        LOAD(BPF_B, BPF_REG_8, BPF_REG_10, STACK), UNLESS_EQUAL(BPF_REG_8, 0x45, 10),
        LOAD(BPF_H, BPF_REG_8, BPF_REG_10, STACK + FRAGMENT), AND(BPF_REG_8, htons(0x3FFF)),
        UNLESS_EQUAL(BPF_REG_8, 0, 7),
        LOAD(BPF_H, BPF_REG_8, BPF_REG_10, STACK + PORT), UNLESS_EQUAL(BPF_REG_8, htons(53), 5),
        LOAD(BPF_B, BPF_REG_8, BPF_REG_10, STACK + PROTOCOL),
        IF_EQUAL(BPF_REG_8, IPPROTO_UDP, 1), UNLESS_EQUAL(BPF_REG_8, IPPROTO_TCP, 2), RETURN(PASS),

        DROP_NETWORK(0xFF000000, 0x00000000), // this host
        DROP_NETWORK(0xFF000000, 0x7F000000), // loopback
        DROP_NETWORK(0xFFFF0000, 0xA9FE0000), // link-local, and the metadata services of clouds
        DROP_NETWORK(0xE0000000, 0xE0000000), // multicast, which comes back to the host; reserved; broadcast
        LOAD(BPF_W, BPF_REG_8, BPF_REG_6, offsetof(struct __sk_buff, ifindex)),
        UNLESS_EQUAL(BPF_REG_8, LOOPBACK_INDEX, 2), RETURN(DROP),
        RETURN(PASS),
    };
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_SKB;
    attributes.expected_attach_type = BPF_CGROUP_INET_EGRESS;
    attributes.insns = (uint64_t)(uintptr_t)program;
    attributes.insn_cnt = sizeof program / sizeof *program;
    attributes.license = (uint64_t)(uintptr_t)"Apache-2.0";
    int filter = (int)bpf(BPF_PROG_LOAD, &attributes);
    return filter < 0 ? -errno : filter;
}

int cls_filter_egress(int cgroup_fd, uint32_t resolver) {
    // Without one, an address that nothing can be sent to without SO_BROADCAST: the kernel takes no program with parts
    // that are never reached.
    int filter = load_filter(resolver != 0 ? resolver : htonl(INADDR_BROADCAST));
    if (filter < 0 || cgroup_fd < 0) {
        if (filter >= 0) close(filter);
        return filter < 0 ? filter : 0;
    }
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.target_fd = (uint32_t)cgroup_fd;
    attributes.attach_bpf_fd = (uint32_t)filter;
    attributes.attach_type = BPF_CGROUP_INET_EGRESS;
    // Beside what others have attached further up: every one of them has to let a packet pass.
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    int result = bpf(BPF_PROG_ATTACH, &attributes) < 0 ? -errno : 0;
    close(filter);
    return result;
}
