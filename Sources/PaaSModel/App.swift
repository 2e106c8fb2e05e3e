// SPDX-License-Identifier: Apache-2.0

/// Status of an app, the contract's five words.
public enum AppStatus: String, Codable, CaseIterable, Hashable, Sendable {
    /// Being started for the first time, or waiting for a node.
    case pending
    /// At least one instance is ready.
    case running
    /// It ended and is being started again.
    case restarting
    /// It does not run and will not be started again by itself.
    case failed
    /// It does not run, as wanted.
    case stopped
}

/// A change on its way through the instances: a deploy, a restart, a start, a scale.
public struct Rollout: Codable, Hashable, Sendable {
    /// What asked for it.
    public enum Kind: String, Codable, Hashable, Sendable {
        case deploy, restart, start, scale, rollback
    }

    /// Where it stands.
    public enum Phase: String, Codable, Hashable, Sendable {
        case progressing, succeeded, failed
    }

    /// Grows by one with every change of the app.
    public var id: Int
    /// What asked for it.
    public var kind: Kind
    /// The release that should serve afterwards.
    public var release: String
    /// Where it stands.
    public var phase: Phase
    /// What it waits for, or why it failed; one sentence.
    public var message: String?
    /// When it began.
    public var startedAt: Timestamp

    /// Creates a rollout that has just begun.
    public init(id: Int, kind: Kind, release: String, startedAt: Timestamp) {
        self.id = id
        self.kind = kind
        self.release = release
        self.phase = .progressing
        self.startedAt = startedAt
    }
}

/// An app as the API and `paas status --json` show it. Every key is always present, absent values are null.
public struct App: Hashable, Sendable {
    /// Identity, unique for all time.
    public var id: String
    /// The name, unique now.
    public var name: AppName
    /// What runs.
    public var command: Command
    /// The contract's status.
    public var status: AppStatus
    /// One sentence when the status needs one: what it waits for, or why it failed.
    public var reason: String?
    /// Several runs in a row failed; restarts go on with growing pauses.
    public var crashLooping: Bool
    /// Host port of the first ready instance (else of any).
    public var port: Int?
    /// Host pid of the same instance's app.
    public var pid: Int32?
    /// Sum of the instances' restarts.
    public var restarts: Int
    /// Wanted number of instances.
    public var instances: Int
    /// Instances that are ready.
    public var instancesReady: Int
    /// The release that serves, `v3`; the newest while none does.
    public var release: String
    /// Limits of each instance.
    public var limits: Limits
    /// When the running instance's run began.
    public var startedAt: Timestamp?
    /// How the last run ended.
    public var lastExit: ExitReport?
    /// The last change and where it stands.
    public var rollout: Rollout?
    /// What the app should be doing.
    public var desired: DesiredState
    /// See ``ReleaseSpec/healthPath``.
    public var healthPath: String?
    /// See ``ReleaseSpec/restart``.
    public var restart: RestartPolicy
    /// See ``ReleaseSpec/network``; what is in force, when an instance has told.
    public var network: NetworkMode?
    /// See ``ReleaseSpec/sandbox``.
    public var sandbox: SandboxProfile
    /// Where the router serves it, path form first.
    public var urls: [String]
    /// When it was created.
    public var createdAt: Timestamp
    /// When its desired state last changed.
    public var updatedAt: Timestamp

    /// Creates the view.
    public init(
        id: String, name: AppName, command: Command, status: AppStatus, reason: String? = nil,
        crashLooping: Bool = false, port: Int? = nil, pid: Int32? = nil, restarts: Int = 0, instances: Int,
        instancesReady: Int = 0, release: String, limits: Limits = Limits(), startedAt: Timestamp? = nil,
        lastExit: ExitReport? = nil, rollout: Rollout? = nil, desired: DesiredState = .running,
        healthPath: String? = nil, restart: RestartPolicy = .always, network: NetworkMode? = nil,
        sandbox: SandboxProfile = .standard, urls: [String] = [], createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.id = id
        self.name = name
        self.command = command
        self.status = status
        self.reason = reason
        self.crashLooping = crashLooping
        self.port = port
        self.pid = pid
        self.restarts = restarts
        self.instances = instances
        self.instancesReady = instancesReady
        self.release = release
        self.limits = limits
        self.startedAt = startedAt
        self.lastExit = lastExit
        self.rollout = rollout
        self.desired = desired
        self.healthPath = healthPath
        self.restart = restart
        self.network = network
        self.sandbox = sandbox
        self.urls = urls
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}

extension App: Codable {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(name, forKey: .name)
        try container.encode(command, forKey: .command)
        try container.encode(status, forKey: .status)
        try container.encode(reason, forKey: .reason)
        try container.encode(crashLooping, forKey: .crashLooping)
        try container.encode(port, forKey: .port)
        try container.encode(pid, forKey: .pid)
        try container.encode(restarts, forKey: .restarts)
        try container.encode(instances, forKey: .instances)
        try container.encode(instancesReady, forKey: .instancesReady)
        try container.encode(release, forKey: .release)
        try container.encode(limits, forKey: .limits)
        try container.encode(startedAt, forKey: .startedAt)
        try container.encode(lastExit, forKey: .lastExit)
        try container.encode(rollout, forKey: .rollout)
        try container.encode(desired, forKey: .desired)
        try container.encode(healthPath, forKey: .healthPath)
        try container.encode(restart, forKey: .restart)
        try container.encode(network, forKey: .network)
        try container.encode(sandbox, forKey: .sandbox)
        try container.encode(urls, forKey: .urls)
        try container.encode(createdAt, forKey: .createdAt)
        try container.encode(updatedAt, forKey: .updatedAt)
    }
}

/// One element of `GET /apps/{…}/releases`.
public struct Release: Codable, Hashable, Sendable {
    /// What became of it.
    public enum Status: String, Codable, Hashable, Sendable {
        /// Being rolled out.
        case deploying
        /// It serves, or served last.
        case live
        /// A newer one took over.
        case superseded
        /// Its rollout failed; it never served.
        case failed
    }

    /// `v1`, `v2`, …
    public var name: String
    /// What became of it.
    public var status: Status
    /// What it runs.
    public var command: Command
    /// Limits of each instance.
    public var limits: Limits
    /// Its bundle, if any.
    public var bundle: String?
    /// Why it failed, if it did.
    public var reason: String?
    /// When it was made.
    public var createdAt: Timestamp

    /// Creates the view.
    public init(
        name: String, status: Status, command: Command, limits: Limits, bundle: String?, reason: String?,
        createdAt: Timestamp
    ) {
        self.name = name
        self.status = status
        self.command = command
        self.limits = limits
        self.bundle = bundle
        self.reason = reason
        self.createdAt = createdAt
    }
}
