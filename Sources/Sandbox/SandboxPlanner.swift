// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Turns what a release asks for into what `paas-init` does; refuses what this node cannot enforce.
///
/// Made once at the agent's start: it looks at the host's root directory then.
public struct SandboxPlanner: Sendable {
    /// What the node's operator decides.
    public struct Configuration: Hashable, Sendable {
        /// Profile `off` may be used. Not by default.
        public var allowOff = false
        /// Size of `/tmp` in bytes. It is memory, charged to the app's cgroup.
        public var temporaryBytes: UInt64 = 256 << 20
        /// Size of `/dev/shm` in bytes, likewise.
        public var sharedMemoryBytes: UInt64 = 64 << 20
        /// Host directories that no app may see: the platform's own. They need to exist already.
        public var hiddenDirectories: [String] = []
        /// Preference of the kernel's OOM killer: above 0, so that on a full machine apps go before the platform.
        public var outOfMemoryScoreAdjustment: Int32 = 200

        /// The defaults.
        public init() {}
    }

    private let configuration: Configuration
    private let systemView: SystemView
    var systemMounts: [Mount] { systemView.mounts }

    /// Creates a planner for this host.
    public init(configuration: Configuration = Configuration()) {
        self.configuration = configuration
        self.systemView = SystemView(hiding: configuration.hiddenDirectories)
    }

    /// Network modes that ``plan(assignment:port:userID:directories:)`` accepts, the default first.
    public static let networks: [NetworkMode] = [.host]

    /// The plan of one run.
    ///
    /// - Parameters:
    ///   - port: what the app gets as `PORT`.
    ///   - userID: the app's uid and gid, in ``UserIDs/range``.
    ///   - directories: where `/app` and `/data` lie.
    /// - Throws: `SandboxError` when the release asks for something that this node does not enforce.
    public func plan(
        assignment: Assignment, port: Int, userID: UInt32, directories: AppDirectories
    ) throws -> RunPlan {
        try checkRequest(assignment.spec)
        guard UserIDs.range.contains(userID) else {
            throw SandboxError(.invalidPlan, "\(userID) is not one of the user ids for apps")
        }
        guard (1...65_535).contains(port) else { throw SandboxError(.invalidPlan, "\(port) is not a TCP port") }
        var plan = RunPlan(argumentVector: assignment.spec.command.argumentVector, userID: userID, groupID: userID)
        plan.resourceLimits = ResourceLimit.standard
        plan.outOfMemoryScoreAdjustment = configuration.outOfMemoryScoreAdjustment
        switch assignment.spec.sandbox {
        case .standard, .strict:
            plan.namespaces = .all
            plan.hostname = assignment.app.rawValue
            plan.environment = AppEnvironment.variables(for: assignment, port: port)
            plan.workingDirectory = "/app"
            plan.mounts = mounts(userID: userID, hostname: plan.hostname, directories: directories)
        case .off:
            // The host's file system, but still a user of its own and no capabilities: an app is never root.
            plan.environment = AppEnvironment.variables(for: assignment, port: port, home: directories.data)
            plan.workingDirectory = directories.app ?? directories.data
        }
        return plan
    }

    private func checkRequest(_ spec: ReleaseSpec) throws {
        switch spec.sandbox {
        case .standard: break
        case .strict:
            throw SandboxError(
                .profileUnavailable,
                "this node cannot enforce the sandbox profile 'strict' yet; deploy with --sandbox standard")
        case .off where !configuration.allowOff:
            throw SandboxError(
                .profileForbidden,
                "this node does not allow the sandbox profile 'off'; deploy with --sandbox standard, or have the node's "
                    + "operator allow it")
        case .off: break
        }
        if let network = spec.network, !Self.networks.contains(network) {
            throw SandboxError(
                .networkUnavailable,
                "this node cannot give the network mode '\(network.rawValue)' yet; deploy with --network host if you "
                    + "trust the app with the host's network")
        }
        if spec.limits.diskBytes != nil {
            throw SandboxError(
                .limitUnavailable, "this node cannot limit the size of /data yet; deploy without --disk")
        }
    }

    private func mounts(userID: UInt32, hostname: String, directories: AppDirectories) -> [Mount] {
        let identity = IdentityFiles.mounts(
            userID: userID, hostname: hostname, hostsOfTheHost: IdentityFiles.hostsOfTheHost)
        let bundle: Mount =
            if let app = directories.app {
                .bind(source: app, target: "/app", options: .readOnly)
            } else {
                .temporary(target: "/app", sizeBytes: 4_096, mode: 0o555, options: .noExecution)
            }
        return systemView.mounts + identity + [
            bundle,
            .bind(source: directories.data, target: "/data", options: []),
            .temporary(target: "/tmp", sizeBytes: configuration.temporaryBytes, mode: 0o1777),
            .symbolicLink(target: "/var/tmp", text: "../tmp"),
            .processes(target: "/proc"),
            .devices(target: "/dev", sharedMemoryBytes: configuration.sharedMemoryBytes),
        ]
    }
}
