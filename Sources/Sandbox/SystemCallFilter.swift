// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import LinuxSystem
public import PaaSModel

/// A compiled system-call filter: what the kernel asks before each system call of an app (seccomp(2)).
public struct SystemCallFilter: Hashable, Sendable {
    /// An array of `struct sock_filter`.
    public let program: [UInt8]

    /// Instructions in the program; the kernel takes 4,096.
    public var instructionCount: Int { program.count / Self.instructionBytes }

    static let instructionBytes = 8

    /// The filter of a profile, compiled from the list that the agent was built with; nil for `off`.
    ///
    /// - Throws: `SandboxError` or `SystemError` when it cannot be made; no app is started without it then.
    public init?(profile: SandboxProfile) throws {
        guard profile != .off else { return nil }
        try self.init(policy: .embedded(), profile: profile)
    }

    init(policy: SystemCallPolicy, profile: SandboxProfile) throws {
        let builder = try SystemCallFilterBuilder(denial: EPERM)
        for rule in policy.rules where rule.profiles.contains(profile) {
            // Nil: a libseccomp that is older than the list. The call stays denied, which is the safe side.
            guard let number = SystemCallFilterBuilder.number(of: rule.name) else { continue }
            try builder.add(rule.name, number: number, answer: rule.answer, conditions: rule.conditions)
        }
        guard let newest = SystemCallFilterBuilder.number(of: policy.newest), newest > 0 else {
            throw SandboxError(.invalidPlan, "the installed libseccomp does not know '\(policy.newest)'; update it")
        }
        let allowList = try builder.program()
        program = Self.unknownCalls(after: UInt32(newest)) + allowList
        guard !allowList.isEmpty, instructionCount <= PlanFormat.maxFilterInstructions else {
            throw SandboxError(.invalidPlan, "the system-call filter has \(instructionCount) instructions")
        }
    }

    /// Instructions before the allow-list: calls younger than the list are answered with ENOSYS, which makes programs
    /// fall back to older ones; after EPERM they would give up. libseccomp has no comparison of numbers.
    private static func unknownCalls(after newest: UInt32) -> [UInt8] {
        // Bit 30 marks calls of the x32 architecture, which the allow-list's own check ends.
        let x32: UInt32 = 0x4000_0000
        let answer = answerByErrno | UInt32(ENOSYS)
        // (code, jump if true, jump if false, value), linux/bpf_common.h. Offsets in struct seccomp_data: number 0,
        // architecture 4.
        let instructions: [(UInt16, UInt8, UInt8, UInt32)] = [
            (0x20, 0, 0, 4), (0x15, 0, 4, SystemCallFilterBuilder.architecture),
            (0x20, 0, 0, 0), (0x25, 0, 2, newest), (0x35, 1, 0, x32),
            (0x06, 0, 0, answer),
        ]
        var bytes: [UInt8] = []
        for (code, onTrue, onFalse, value) in instructions {
            withUnsafeBytes(of: code) { bytes.append(contentsOf: $0) }
            bytes += [onTrue, onFalse]
            withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }
}

/// SECCOMP_RET_ERRNO of linux/seccomp.h, which Swift does not import.
private let answerByErrno: UInt32 = 0x0005_0000
