// SPDX-License-Identifier: Apache-2.0

/// Why the control plane cannot start: one sentence that says what to do next.
public struct StartupError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// Creates an error.
    public init(_ description: String) { self.description = description }
}
