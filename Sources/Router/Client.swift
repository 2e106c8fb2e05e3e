// SPDX-License-Identifier: Apache-2.0

/// Who is at the other end of a connection, and how the connection is protected.
struct Client: Equatable {
    /// IP address.
    let address: String
    /// TLS ends here.
    let isEncrypted: Bool

    /// `http` or `https`, for X-Forwarded-Proto and rewritten addresses.
    var scheme: StaticString { isEncrypted ? "https" : "http" }
}
