// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// An event as it is stored.
struct EventRecord: Codable, Hashable, Sendable {
    /// Events kept; older ones go.
    static let retention: Int64 = 10_000

    /// The app's identity, because a name may be given to another app later.
    var appID: String?
    var event: Event
}

/// What a POST with an idempotency key made.
struct IdempotencyRecord: Codable, Hashable, Sendable {
    /// Records kept; older ones go.
    static let retention = 1_000

    /// SHA-256 of the request's body.
    var bodyDigest: String
    var appID: String
    var createdAt: Timestamp
}
