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

/// What a POST with an idempotency key did.
struct IdempotencyRecord: Codable, Hashable, Sendable {
    /// Records kept; older ones go.
    static let retention = 1_000
    /// Seconds after which a key may be used anew.
    static let lifeSeconds: Double = 86_400

    /// See `OnceOnly.digest`.
    var bodyDigest: String
    /// The app it was about, or the token that it made.
    var appID: String
    var createdAt: Timestamp

    /// Its key may be used anew.
    var isExpired: Bool { createdAt.seconds(until: .now) >= Self.lifeSeconds }
}
