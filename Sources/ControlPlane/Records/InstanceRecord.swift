// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// An instance as it is stored: what its agent was asked for, and what the agent said.
struct InstanceRecord: Codable, Hashable, Sendable {
    var id: String
    var appID: String
    /// 1 for `web.1`.
    var slot: Int
    /// See `AppRecord.Generation.number`.
    var generation: Int
    /// The release's number.
    var release: Int
    /// Where it was before a rollout of limits that took it along; nil when it was made for its generation.
    var carriedFrom: CarriedFrom?
    /// The node it was put on.
    var node: String
    var desired: DesiredState
    /// Its assignment is gone; the record stays until the agent has said `removed`.
    var retired: Bool
    /// It has been ready at least once.
    var wasReady: Bool
    /// What the agent last said.
    var status: InstanceStatus
    /// Sequence of the last report that counted.
    var lastSequence: Int64

    /// What an instance goes back to when the limits of a release cannot be put in force.
    struct CarriedFrom: Codable, Hashable, Sendable {
        var generation: Int
        var release: Int
    }

    /// The agent has said that the release's limits are in force; one that says nothing of releases counts, too.
    var hasItsRelease: Bool { status.release == nil || status.release == ReleaseRecord.name(release) }

    init(id: String, appID: String, slot: Int, generation: Int, release: Int, node: String, now: Timestamp) {
        self.id = id
        self.appID = appID
        self.slot = slot
        self.generation = generation
        self.release = release
        self.node = node
        self.desired = .running
        self.retired = false
        self.wasReady = false
        self.status = InstanceStatus(instanceID: id, since: now)
        self.lastSequence = 0
    }

    /// `web.1`.
    var name: String { "web.\(slot)" }

    /// The view of the API.
    var view: Instance {
        Instance(
            id: id, name: name, release: ReleaseRecord.name(release), node: node,
            desired: retired ? .stopped : desired, status: status)
    }
}
