// SPDX-License-Identifier: Apache-2.0

/// Why a run cannot be planned, or what `paas-init` said cannot be understood.
public struct SandboxError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error.
    public enum Code: Hashable, Sendable {
        /// This node cannot enforce a layer of the profile that the release asks for.
        case profileUnavailable
        /// The node's operator has not allowed the profile.
        case profileForbidden
        /// This node cannot give the network mode that the release asks for.
        case networkUnavailable
        /// This node cannot enforce a limit that the release asks for.
        case limitUnavailable
        /// The plan itself is not acceptable.
        case invalidPlan
        /// Bytes that should be a message of `paas-init` are not.
        case malformedMessage
    }

    /// The kind of error.
    public let code: Code
    /// One sentence: what is wrong, and what to do.
    public let message: String

    /// Creates an error.
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
