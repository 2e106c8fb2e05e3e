// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// A token as it is stored; a revoked one is not there any more.
struct TokenRecord: Codable, Hashable, Sendable {
    /// Tokens that there may be at the same time, expired ones included.
    static let limit = 1_000

    var token: Token
    /// See `TokenSecret.digest`.
    var digest: String
}
