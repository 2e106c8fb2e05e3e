// SPDX-License-Identifier: Apache-2.0

import LinuxSystem
import PaaSModel
import Testing

@testable import Sandbox

struct SystemCallPolicyTests {
    @Test func listHasAtMost300NamesAndStrictHasFewerThanStandard() throws {
        let policy = try SystemCallPolicy.embedded()
        let standard = policy.names(allowedIn: .standard)
        let strict = policy.names(allowedIn: .strict)
        #expect(standard.count <= 300 && standard.count > 200)
        #expect(strict.isStrictSubset(of: standard))
        #expect(strict.count < 240)
    }

    @Test func callsThatReachOutOfTheSandboxAreInNoProfile() throws {
        let names = Set(try SystemCallPolicy.embedded().rules.filter { $0.answer == 0 }.map(\.name))
        for name in [
            "add_key", "bpf", "chroot", "clone3", "fanotify_init", "fsopen", "init_module", "io_uring_setup", "ioperm",
            "kcmp", "kexec_load", "keyctl", "modify_ldt", "mount", "move_mount", "name_to_handle_at",
            "open_by_handle_at", "perf_event_open", "pidfd_getfd", "pivot_root", "process_vm_readv", "ptrace", "reboot",
            "request_key", "setns", "swapon", "syslog", "umount2", "unshare", "userfaultfd",
        ] {
            #expect(!names.contains(name), "\(name)")
        }
    }

    @Test func argumentsDecideAboutCallsThatAreOnlyPartlyHarmless() throws {
        let policy = try SystemCallPolicy.embedded()
        for name in ["clone", "socket", "socketpair", "ioctl", "prctl", "personality", "mknod", "mknodat"] {
            let rules = policy.rules.filter { $0.name == name }
            #expect(!rules.isEmpty && rules.allSatisfy { !$0.conditions.isEmpty }, "\(name)")
        }
        let clone = policy.rules.filter { $0.name == "clone" }
        #expect(clone.map(\.conditions) == [[.init(argument: 0, mask: 0x7E02_0000, value: 0)]])
    }

    @Test func everyNameIsKnownToLibseccomp() throws {
        for rule in try SystemCallPolicy.embedded().rules {
            #expect(SystemCallFilterBuilder.number(of: rule.name) != nil, "\(rule.name)")
        }
    }

    @Test func everyFormOfALineIsRead() throws {
        let policy = try SystemCallPolicy(
            text: "# text\nnewest d\n[standard strict] T\na b(arg1&0xF=010, arg0=3)\n\n[strict] U\nc -> ENOSYS\n")
        #expect(policy.newest == "d")
        let both: Set<SandboxProfile> = [.standard, .strict]
        #expect(
            policy.rules == [
                .init(name: "a", profiles: both),
                .init(
                    name: "b",
                    conditions: [.init(argument: 1, mask: 15, value: 8), .init(argument: 0, value: 3)], profiles: both),
                .init(name: "c", answer: 38, profiles: [.strict]),
            ])
    }

    @Test(arguments: [
        "read", "[standard]\nread", "newest a\nread", "newest a\n[off] T\nread", "newest a\n[] T\nread",
        "newest a\n[standard T\nread", "newest a\n[standard] T\nRead", "newest a\n[standard] T\na(arg6=1)",
        "newest a\n[standard] T\na(arg1)", "newest a\n[standard] T\na(arg1=x)", "newest a\n[standard] T\na(arg1=1",
        "newest a\n[standard] T\na(arg1&1=2)", "newest a\n[standard] T\na(arg1&=2)",
        "newest a\n[standard] T\na -> EPERM",
    ])
    func aLineThatIsNotUnderstoodIsAnError(text: String) {
        #expect(throws: SandboxError.self) { try SystemCallPolicy(text: text) }
    }

    @Test func filtersFitIntoTheKernelAndOffHasNone() throws {
        for profile in [SandboxProfile.standard, .strict] {
            let filter = try #require(try SystemCallFilter(profile: profile))
            #expect((100...2_000).contains(filter.instructionCount))
            #expect(filter.program.count % 8 == 0)
        }
        #expect(try SystemCallFilter(profile: .off) == nil)
    }
}
