// SPDX-License-Identifier: Apache-2.0

/// Why an instance cannot be started here.
public struct SupervisionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, and what to do; one sentence.
    public let message: String
    /// Trying again cannot help before somebody changes something.
    public let isPermanent: Bool

    /// Creates an error.
    public init(_ message: String, isPermanent: Bool) {
        self.message = message
        self.isPermanent = isPermanent
    }

    /// The message.
    public var description: String { message }
}
