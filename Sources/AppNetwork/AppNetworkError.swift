// SPDX-License-Identifier: Apache-2.0

/// Why an app in a network of its own cannot be reached.
public struct AppNetworkError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of error.
    public enum Code: Hashable, Sendable {
        /// The instance has no run at the moment, or its `paas-init` is gone.
        case notRunning
        /// The app does not accept the connection, or `paas-init` cannot make one.
        case refused
        /// Nothing came of it in time.
        case timedOut
        /// Too many connections to this run are under way.
        case busy
    }

    /// The kind of error.
    public let code: Code
    /// One clause, as in "the connection failed: …".
    public let description: String

    init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
