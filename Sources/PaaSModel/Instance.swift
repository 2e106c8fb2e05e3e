// SPDX-License-Identifier: Apache-2.0

/// State of one instance on its node.
public enum InstanceState: String, Codable, CaseIterable, Hashable, Sendable {
    /// Known to the agent, or waiting for it; nothing runs yet.
    case pending
    /// A process runs, and is not ready yet.
    case starting
    /// Ready: it may get requests.
    case running
    /// A run ended; the next start waits for the back-off.
    case restarting
    /// It left the route table and was asked to stop.
    case stopping
    /// Nothing of it runs, as wanted.
    case stopped
    /// Nothing of it runs, and nobody will start it again by itself.
    case failed
    /// The agent has removed it after its assignment went away. Terminal.
    case removed
}

/// What an instance should be doing.
public enum DesiredState: String, Codable, CaseIterable, Hashable, Sendable {
    /// It should run.
    case running
    /// It should not run, but stays known.
    case stopped
}

/// One run slot of a release on a node: what `paasd` asks an agent for.
public struct Assignment: Codable, Hashable, Sendable {
    /// Identity of the instance, unique for all time; 20 to 40 of `a-z0-9-`.
    public var instanceID: String
    /// Identity of the app, unique for all time.
    public var appID: String
    /// The app's name.
    public var app: AppName
    /// The slot: `web.1`, `web.2`, …
    public var slot: String
    /// The release, `v1`, `v2`, …
    public var release: String
    /// What runs.
    public var spec: ReleaseSpec
    /// What the instance should be doing.
    public var desired: DesiredState

    /// Creates an assignment.
    public init(
        instanceID: String, appID: String, app: AppName, slot: String, release: String, spec: ReleaseSpec,
        desired: DesiredState
    ) {
        self.instanceID = instanceID
        self.appID = appID
        self.app = app
        self.slot = slot
        self.release = release
        self.spec = spec
        self.desired = desired
    }
}

/// What an agent says of one instance.
public struct InstanceStatus: Codable, Hashable, Sendable {
    /// See ``Assignment/instanceID``.
    public var instanceID: String
    /// The state now.
    public var state: InstanceState
    /// When the state was entered.
    public var since: Timestamp
    /// TCP port on the host's loopback where the instance is reached.
    public var port: Int?
    /// The app's process id, as the host sees it.
    public var pid: Int32?
    /// Starts after a run that ended by itself; a requested restart does not count.
    public var restarts: Int
    /// Start of the current run.
    public var startedAt: Timestamp?
    /// Several runs in a row failed; the agent goes on with growing pauses.
    public var crashLooping: Bool
    /// What it waits for, or why it failed; one sentence.
    public var reason: String?
    /// How the last run ended.
    public var lastExit: ExitReport?
    /// The release that the instance has, `v1`: its limits are in force. Nil when its agent does not tell.
    public var release: String?
    /// A release whose limits could not be put in force while the instance runs; it goes on with ``release``.
    public var refusal: LimitsRefusal?

    /// A new instance that nothing is known of.
    public init(instanceID: String, state: InstanceState = .pending, since: Timestamp) {
        self.instanceID = instanceID
        self.state = state
        self.since = since
        self.restarts = 0
        self.crashLooping = false
    }
}

/// Limits that a running instance could not be given.
public struct LimitsRefusal: Codable, Hashable, Sendable {
    /// The release that asked for them.
    public var release: String
    /// Why not, and what to do; one sentence.
    public var reason: String

    /// Creates a refusal.
    public init(release: String, reason: String) {
        self.release = release
        self.reason = reason
    }
}

/// One element of `GET /apps/{…}/instances`: assignment and status in one.
public struct Instance: Codable, Hashable, Sendable {
    /// See ``Assignment/instanceID``.
    public var id: String
    /// `web.1`, …
    public var name: String
    /// `v1`, …
    public var release: String
    /// The node it lives on.
    public var node: String
    /// What it should be doing.
    public var desired: DesiredState
    /// What the agent last said.
    public var status: InstanceStatus

    /// Creates the view.
    public init(
        id: String, name: String, release: String, node: String, desired: DesiredState, status: InstanceStatus
    ) {
        self.id = id
        self.name = name
        self.release = release
        self.node = node
        self.desired = desired
        self.status = status
    }
}
