// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport

/// Makes a system-call filter with libseccomp, for the architecture of this machine (seccomp(2)).
///
/// What no rule names is answered with an errno; a call of another architecture ends the process.
public struct SystemCallFilterBuilder: ~Copyable {
    /// True where the masked argument has a value.
    public struct Condition: Hashable, Sendable {
        /// Position of the argument, 0 to 5.
        public var argument: UInt32
        /// The bits that count.
        public var mask: UInt64
        /// Their value.
        public var value: UInt64

        /// Creates a condition; all bits count unless a mask is given.
        public init(argument: UInt32, mask: UInt64 = .max, value: UInt64) {
            self.argument = argument
            self.mask = mask
            self.value = value
        }
    }

    /// The largest number of conditions in one rule; the kernel hands six arguments to a filter.
    public static let maxConditions = Int(CLS_SECCOMP_MAX_CONDITIONS)

    /// AUDIT_ARCH_* of this machine: what a filter sees as the architecture of a call.
    public static var architecture: UInt32 { cls_seccomp_architecture() }

    /// The number of a system call on this machine: negative where only other architectures have it, nil for a name
    /// that the installed libseccomp does not know.
    public static func number(of name: String) -> Int32? {
        var number: Int32 = 0
        return cls_seccomp_number(name, &number) == 0 ? number : nil
    }

    /// The name of a system call of this machine; nil for a number that the installed libseccomp does not know.
    public static func name(of number: Int32) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            guard let start = buffer.baseAddress, cls_seccomp_name(number, start, buffer.count) == 0 else { return nil }
            return String(cString: start)
        }
    }

    private let filter: UnsafeMutableRawPointer

    /// Creates a filter that allows nothing.
    ///
    /// - Parameter denial: errno of every call that no rule names.
    /// - Throws: `SystemError` (ENOMEM, or a libseccomp that knows too little).
    public init(denial: Int32) throws(SystemError) {
        var filter: UnsafeMutableRawPointer?
        let result = cls_seccomp_new(denial, &filter)
        guard result == 0, let filter else { throw SystemError(operation: "seccomp_init", errno: -result) }
        self.filter = filter
    }

    deinit { cls_seccomp_free(filter) }

    /// Allows a call, or answers it with an errno, where all conditions hold.
    ///
    /// - Throws: `SystemError`, also for two rules that contradict each other.
    public borrowing func add(
        _ name: String, number: Int32, answer: Int32, conditions: [Condition]
    ) throws(SystemError) {
        let rule = conditions.map { cls_seccomp_condition(argument: $0.argument, mask: $0.mask, value: $0.value) }
        let result = cls_seccomp_add(filter, number, answer, rule, Int32(rule.count))
        guard result == 0 else { throw SystemError(operation: "seccomp_rule_add", path: name, errno: -result) }
    }

    /// The program: an array of `struct sock_filter`, eight bytes each.
    ///
    /// - Throws: `SystemError`.
    public borrowing func program() throws(SystemError) -> [UInt8] {
        let file = try OwnedDescriptor.anonymousFile(name: "paas-filter")
        let result = cls_seccomp_export(filter, file.rawValue)
        guard result == 0 else { throw SystemError(operation: "seccomp_export_bpf", errno: -result) }
        return file.allBytes(limit: 1 << 20)
    }
}
