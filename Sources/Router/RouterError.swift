// SPDX-License-Identifier: Apache-2.0

/// The router could not do its work at all; errors of single requests become answers instead.
public struct RouterError: Error, Sendable, CustomStringConvertible {
    /// What failed.
    public enum Code: Sendable {
        /// The address could not be listened on.
        case cannotListen
        /// A certificate or its key cannot be used.
        case unusableCertificate
    }

    /// What failed.
    public let code: Code
    /// The address, `HOST:PORT`, or the file.
    public let subject: String
    /// The system's error number, where there is one.
    public let errno: Int32?
    /// One sentence: what failed, why, and what to do.
    public let description: String

    static func cannotListen(address: String, cause: any Error, errno: Int32?) -> RouterError {
        RouterError(
            code: .cannotListen, subject: address, errno: errno,
            description: "the router cannot listen on \(address): \(cause); "
                + "free that address or choose another with --router HOST:PORT")
    }

    static let noCertificate = RouterError(
        code: .unusableCertificate, subject: "", errno: nil, description: "the router was given no certificate for TLS")

    static func unusableCertificate(_ file: String, _ reason: String) -> RouterError {
        RouterError(
            code: .unusableCertificate, subject: file, errno: nil,
            description: "\(file) \(reason); check --router-certificate and --router-key")
    }
}
