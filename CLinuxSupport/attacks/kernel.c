// SPDX-License-Identifier: Apache-2.0
//
// System calls that lead out of the sandbox or into rarely tested parts of the kernel.
#define _GNU_SOURCE
#include "attacks.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

// All arguments are given: what is left out, a call would take from whatever the registers hold.
#define CALL(identifier, number, a, b, c, d, e) \
    static int identifier(void) { return outcome(syscall(number, a, b, c, d, e, 0)); }

CALL(unshare_user, SYS_unshare, CLONE_NEWUSER, 0, 0, 0, 0)
CALL(unshare_mount, SYS_unshare, CLONE_NEWNS, 0, 0, 0, 0)
CALL(join_namespace, SYS_setns, -1, 0, 0, 0, 0)
CALL(clone_three, SYS_clone3, NULL, 0, 0, 0, 0)
CALL(mount_anything, SYS_mount, "none", "/tmp", "paas-no-such-fs", 0, NULL)
CALL(unmount, SYS_umount2, "/paas-no-such-place", 0, 0, 0, 0)
CALL(open_file_system, SYS_fsopen, "paas-no-such-fs", 0, 0, 0, 0)
CALL(clone_mounts, SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */, 0, 0)
CALL(change_root, SYS_pivot_root, "/paas-no-such-place", "/paas-no-such-place", 0, 0, 0)
CALL(change_own_root, SYS_chroot, "/", 0, 0, 0, 0)
CALL(load_bpf, SYS_bpf, 5 /* BPF_PROG_LOAD */, NULL, 0, 0, 0)
CALL(watch_events, SYS_perf_event_open, NULL, 0, -1, -1, 0)
CALL(read_keyring, SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0)
CALL(ask_for_key, SYS_request_key, NULL, NULL, NULL, 0, 0)
CALL(add_a_key, SYS_add_key, NULL, NULL, NULL, 0, 0)
CALL(ring, SYS_io_uring_setup, 1, NULL, 0, 0, 0)
CALL(ring_register, SYS_io_uring_register, -1, 0, NULL, 0, 0)
CALL(handle_faults, SYS_userfaultfd, 0x10001, 0, 0, 0, 0)
CALL(load_module, SYS_init_module, NULL, 0, NULL, 0, 0)
CALL(load_module_file, SYS_finit_module, -1, NULL, 0, 0, 0)
CALL(load_kernel, SYS_kexec_load, 0, 0, NULL, 0xFFFF, 0)
CALL(swap_on, SYS_swapon, "/paas-no-such-file", 0, 0, 0, 0)
CALL(restart_machine, SYS_reboot, 0, 0, 0, NULL, 0)
CALL(account, SYS_acct, "/paas-no-such-file", 0, 0, 0, 0)
CALL(set_clock, SYS_clock_settime, 9999, NULL, 0, 0, 0)
CALL(name_machine, SYS_sethostname, NULL, -1, 0, 0, 0)
CALL(read_kernel_log, SYS_syslog, 10, NULL, 0, 0, 0)
CALL(handle_of_file, SYS_name_to_handle_at, AT_FDCWD, NULL, NULL, NULL, 0)
CALL(open_handle, SYS_open_by_handle_at, -1, NULL, 0, 0, 0)
CALL(watch_files, SYS_fanotify_init, 0x600 /* FAN_REPORT_FID and _DIR_FID */, 0, 0, 0, 0)
CALL(fix_addresses, SYS_personality, 0x40000, 0, 0, 0, 0)
CALL(move_pages_away, SYS_migrate_pages, 0, 0, NULL, NULL, 0)
CALL(quota, SYS_quotactl, 0x800001 /* Q_SYNC is 0x800001 << 8 */, NULL, 0, NULL, 0)
CALL(type_on_terminal, SYS_ioctl, STDIN_FILENO, 0x5412 /* TIOCSTI */, "x", 0, 0)
CALL(type_on_terminal_64, SYS_ioctl, STDIN_FILENO, 0x100005412, "x", 0, 0)
CALL(type_on_console, SYS_ioctl, STDIN_FILENO, 0x541C /* TIOCLINUX */, "x", 0, 0)
CALL(change_discipline, SYS_ioctl, STDIN_FILENO, 0x5423 /* TIOCSETD */, NULL, 0, 0)

static int clone_user(void) {
    long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (child == 0) _exit(0);
    return outcome(child);
}

#if defined(__x86_64__)
CALL(local_descriptors, SYS_modify_ldt, 0, NULL, 0, 0, 0)
CALL(ports, SYS_iopl, 3, 0, 0, 0, 0)

static int x32_entry(void) {
    // Killed, or it returns: with ENOSYS from a kernel that has no x32.
    syscall(0x40000000 + SYS_getpid);
    return 0;
}

static int i386_entry(void) {
    long result = 20; // getpid
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return 0;
}
#endif

static const struct attack attacks[] = {
    {"unshare-user", "make a user namespace", "seccomp", "seccomp", WORKS, unshare_user, NULL, NULL},
    {"clone-user", "start a process in a new user namespace", "seccomp", "seccomp", WORKS, clone_user, NULL, NULL},
    {"clone3", "start a process by clone3, whose flags no filter can see", "seccomp, ENOSYS", "seccomp", REACHES,
     clone_three, NULL, NULL},
    {"unshare-mount", "make a mount namespace", "seccomp, capabilities", "everything", WORKS, unshare_mount, NULL,
     NULL},
    {"setns", "join a namespace", "seccomp", "seccomp", REACHES, join_namespace, NULL, NULL},
    {"mount", "mount a file system", "seccomp, capabilities", "everything", REACHES, mount_anything, NULL, NULL},
    {"umount", "unmount", "seccomp, capabilities", "everything", REACHES, unmount, NULL, NULL},
    {"fsopen", "mount by the new interface", "seccomp, capabilities", "everything", REACHES, open_file_system, NULL,
     NULL},
    {"open-tree", "copy a mount", "seccomp, capabilities", "everything", WORKS, clone_mounts, NULL, NULL},
    {"pivot-root", "change the root", "seccomp, capabilities", "everything", REACHES, change_root, NULL, NULL},
    {"chroot", "chroot, the first step of an old escape", "seccomp, capabilities", "everything", WORKS, change_own_root,
     NULL, NULL},
    {"bpf", "load a BPF program", "seccomp, capabilities", "everything", REACHES, load_bpf, NULL, NULL},
    {"perf-event", "open a performance event", "seccomp", "seccomp", REACHES, watch_events, NULL, NULL},
    {"keyctl", "look at a keyring", "seccomp", "seccomp", WORKS, read_keyring, NULL, NULL},
    {"request-key", "ask for a key", "seccomp", "seccomp", REACHES, ask_for_key, NULL, NULL},
    {"add-key", "add a key", "seccomp", "seccomp", REACHES, add_a_key, NULL, NULL},
    {"io-uring", "set up an io_uring, which no filter sees into", "seccomp", "seccomp", REACHES, ring, NULL, NULL},
    {"io-uring-register", "register with an io_uring", "seccomp", "seccomp", REACHES, ring_register, NULL, NULL},
    {"userfaultfd", "handle page faults of the kernel", "seccomp", "seccomp", REACHES, handle_faults, NULL, NULL},
    {"init-module", "load a module", "seccomp, capabilities", "everything", REACHES, load_module, NULL, NULL},
    {"finit-module", "load a module from a file", "seccomp, capabilities", "everything", REACHES, load_module_file,
     NULL,
     NULL},
    {"kexec", "load another kernel", "seccomp, capabilities", "everything", REACHES, load_kernel, NULL, NULL},
    {"swapon", "add swap", "seccomp, capabilities", "everything", REACHES, swap_on, NULL, NULL},
    {"reboot", "reboot, with wrong magic numbers", "seccomp, capabilities", "everything", REACHES, restart_machine,
     NULL,
     NULL},
    {"acct", "switch process accounting on", "seccomp, capabilities", "everything", REACHES, account, NULL, NULL},
    {"clock-settime", "set a clock that does not exist", "seccomp", "seccomp", REACHES, set_clock, NULL, NULL},
    {"sethostname", "rename the machine", "seccomp, capabilities", "everything", REACHES, name_machine, NULL, NULL},
    {"syslog", "read the kernel's log", "seccomp, capabilities", "everything", WORKS, read_kernel_log, NULL, NULL},
    {"name-to-handle", "get a file handle", "seccomp", "seccomp", REACHES, handle_of_file, NULL, NULL},
    {"open-by-handle", "open a file by its handle, around every path", "seccomp, capabilities", "everything", REACHES,
     open_handle, NULL, NULL},
    {"fanotify", "watch files by fanotify", "seccomp", "seccomp", REACHES, watch_files, NULL, NULL},
    {"personality", "switch address randomisation off", "seccomp", "seccomp", WORKS, fix_addresses, NULL, NULL},
    {"migrate-pages", "move memory between nodes", "seccomp", "seccomp", REACHES, move_pages_away, NULL,
     "kernels without NUMA answer ENOSYS as well"},
    {"quotactl", "change quotas", "seccomp", "seccomp", REACHES, quota, NULL,
     "kernels without quotas answer ENOSYS as well"},
    {"tiocsti", "type on the operator's terminal", "seccomp, no terminal", "seccomp", REACHES, type_on_terminal,
     NULL, NULL},
    {"tiocsti-64", "the same with a high bit set (CVE-2019-10063)", "seccomp, no terminal", "seccomp", REACHES,
     type_on_terminal_64, NULL, NULL},
    {"tioclinux", "paste on the console", "seccomp, no terminal", "seccomp", REACHES, type_on_console, NULL, NULL},
    {"tiocsetd", "load a line discipline", "seccomp, no terminal", "seccomp", REACHES, change_discipline, NULL, NULL},
#if defined(__x86_64__)
    {"modify-ldt", "change the local descriptor table", "seccomp", "seccomp", WORKS, local_descriptors, NULL, NULL},
    {"iopl", "talk to hardware ports", "seccomp, capabilities", "everything", WORKS, ports, NULL, NULL},
    {"x32", "enter the kernel as x32", "seccomp, killed", "seccomp", WORKS, x32_entry, NULL, NULL},
    {"int-80", "enter the kernel as i386", "seccomp, killed", "seccomp", WORKS, i386_entry, NULL,
     "a kernel without 32-bit support ends the process as well"},
#endif
};
GROUP(kernel_group, "kernel", attacks);
