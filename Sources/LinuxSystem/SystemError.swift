// SPDX-License-Identifier: Apache-2.0

internal import CLinuxSupport
internal import Glibc

/// A system call that failed: the operation, what it was applied to, and the kernel's reason.
public struct SystemError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Name of the system call, `openat`.
    public let operation: String
    /// The path or object it was applied to, if any.
    public let path: String?
    /// The error number, positive (errno(3)).
    public let errno: Int32
    /// What the reader can do about it, one sentence.
    public let hint: String?

    /// Creates an error.
    public init(operation: String, path: String? = nil, errno: Int32, hint: String? = nil) {
        self.operation = operation
        self.path = path
        self.errno = errno
        self.hint = hint
    }

    /// The symbolic name of the error number, `ENOENT`; the number itself where the C library knows none.
    public var name: String { Self.name(ofErrno: errno) }

    /// The symbolic name of an error number.
    public static func name(ofErrno number: Int32) -> String {
        guard let text = cls_error_name(number) else { return "errno \(number)" }
        return String(cString: text)
    }

    /// `open /x: No such file or directory (ENOENT); create it first`.
    public var description: String {
        var buffer = [CChar](repeating: 0, count: 256)
        let text: String = buffer.withUnsafeMutableBufferPointer { pointer in
            guard let base = pointer.baseAddress else { return "unknown error" }
            return strerror_r(errno, base, pointer.count) == 0 ? String(cString: base) : "unknown error"
        }
        let subject = path.map { " \($0)" } ?? ""
        let advice = hint.map { "; \($0)" } ?? ""
        return "\(operation)\(subject): \(text) (\(name))\(advice)"
    }
}
