// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// An app as it is stored.
struct AppRecord: Codable, Hashable, Sendable {
    /// One set of instances: a deploy, restart or start makes a new one beside the old.
    struct Generation: Codable, Hashable, Sendable {
        /// The number of the rollout that made it.
        var number: Int
        /// The number of the release that it runs.
        var release: Int
        /// How many instances it should have.
        var instances: Int
    }

    /// Identity, unique for all time.
    var id: String
    var name: AppName
    var desired: DesiredState
    /// The generation that should serve.
    var target: Generation
    /// The generation that was last completely ready; nil before the first success and after a start.
    var serving: Generation?
    /// The highest release number given out.
    var latestRelease: Int
    /// The last change and where it stands.
    var rollout: Rollout
    /// The last rollout whose instances were all ready; it is over when what served before has left the router.
    var promotedRollout: Int?
    /// The node that all instances are put on, because `/data` lies there; nil until the first one was.
    var node: String?
    /// How the last run of any instance ended; it outlives the instances.
    var lastExit: ExitReport?
    var createdAt: Timestamp
    /// When the desired state last changed.
    var updatedAt: Timestamp

    /// The target of the present rollout serves.
    var hasPromotedTarget: Bool { promotedRollout == rollout.id }
}

/// A release as it is stored. Immutable but for `status`, `reason` and `liveAt`.
struct ReleaseRecord: Codable, Hashable, Sendable {
    var number: Int
    var spec: ReleaseSpec
    var status: Release.Status
    /// Why it failed.
    var reason: String?
    var createdAt: Timestamp
    /// When it last became live; nil while it never was.
    var liveAt: Timestamp?

    /// `v3`.
    var name: String { Self.name(number) }

    static func name(_ number: Int) -> String { "v\(number)" }

    /// The number in `v3`; nil for anything else.
    static func number(_ name: String) -> Int? {
        guard name.hasPrefix("v"), let number = Int(name.dropFirst()), number > 0, Self.name(number) == name else {
            return nil
        }
        return number
    }

    /// The view of the API: without the environment, which may hold secrets.
    var view: Release {
        Release(
            name: name, status: status, command: spec.command, limits: spec.limits, bundle: spec.bundle,
            reason: reason, createdAt: createdAt)
    }
}
