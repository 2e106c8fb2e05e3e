// SPDX-License-Identifier: Apache-2.0

/// The router could not do its work at all; errors of single requests become answers instead.
public struct RouterError: Error, Sendable, CustomStringConvertible {
    /// What failed.
    public enum Code: Sendable {
        /// The address could not be listened on.
        case cannotListen
    }

    /// What failed.
    public let code: Code
    /// The address, `HOST:PORT`.
    public let address: String
    /// The system's error number, where there is one.
    public let errno: Int32?
    /// One sentence: what failed, why, and what to do.
    public let description: String

    static func cannotListen(address: String, cause: any Error, errno: Int32?) -> RouterError {
        RouterError(
            code: .cannotListen, address: address, errno: errno,
            description: "the router cannot listen on \(address): \(cause); "
                + "free that address or choose another with --router HOST:PORT")
    }
}
