// SPDX-License-Identifier: Apache-2.0

public import LinuxSystem

/// What went wrong with a cgroup, and what to do about it.
public struct CgroupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error.
    public enum Code: Hashable, Sendable {
        /// The machine has no cgroup v2 file system that can be used.
        case unavailable
        /// A limit needs a controller that is not there.
        case controllerMissing
        /// The kernel refused an operation; see `cause`.
        case operationFailed
        /// A file of the kernel does not say what it should.
        case malformedFile
        /// A name that cannot be a cgroup's.
        case invalidName
        /// The cgroup still has processes.
        case busy
    }

    /// The kind of error.
    public let code: Code
    /// One sentence: what failed and what to do.
    public let message: String
    /// The system call that failed, if one did.
    public let cause: SystemError?

    /// Creates an error.
    public init(_ code: Code, _ message: String, cause: SystemError? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// The message, and the cause behind it.
    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}
