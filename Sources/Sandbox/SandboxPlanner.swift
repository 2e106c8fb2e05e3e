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
        /// The layers without which no app is started.
        public var minimum = SandboxMinimum.base
        /// What this node can enforce.
        public var layers = SandboxProbe.layers()
        /// ABI of Landlock, at least 2; nil without it.
        public var landlockABI = SandboxProbe.landlockABI
        /// The network modes that this node can give.
        public var networks = NetworkSupport.current()
        /// Whether this node can limit the size of `/data`.
        public var disks = DiskSupport.current()
        /// Preference of the kernel's OOM killer: above 0, so that on a full machine apps go before the platform.
        public var outOfMemoryScoreAdjustment: Int32 = 200

        /// The defaults.
        public init() {}
    }

    private let configuration: Configuration
    private let systemView: SystemView
    private let filters: [SandboxProfile: SystemCallFilter]
    var systemMounts: [Mount] { systemView.mounts }

    /// Creates a planner for this host; compiles the system-call filters.
    ///
    /// - Throws: `SandboxError` or `SystemError` when a filter cannot be made.
    public init(configuration: Configuration = Configuration()) throws {
        self.configuration = configuration
        var filters: [SandboxProfile: SystemCallFilter] = [:]
        for profile in SandboxProfile.allCases { filters[profile] = try SystemCallFilter(profile: profile) }
        self.filters = filters
        self.systemView = SystemView(hiding: configuration.hiddenDirectories)
    }

    /// The network modes that this node can give.
    public var networks: NetworkSupport { configuration.networks }

    /// Whether this node can limit the size of `/data`.
    public var disks: DiskSupport { configuration.disks }

    /// The network mode of a release: what it asks for, or else the strictest that this node can give.
    ///
    /// - Throws: `SandboxError` with code `networkUnavailable` when this node cannot give what it asks for.
    public func network(of spec: ReleaseSpec) throws -> NetworkMode { try networks.mode(of: spec) }

    /// The plan of one run.
    ///
    /// - Parameters:
    ///   - assignment: which release, of which app.
    ///   - port: what the app gets as `PORT`.
    ///   - userID: the app's uid and gid, in ``UserIDs/range``.
    ///   - directories: where `/app` and `/data` lie.
    /// - Throws: `SandboxError` when the release asks for something that this node does not enforce.
    public func plan(
        assignment: Assignment, port: Int, userID: UInt32, directories: AppDirectories
    ) throws -> RunPlan {
        try checkRequest(assignment.spec)
        try checkDisk(of: assignment.spec, hasImage: directories.disk != nil)
        guard assignment.spec.limits.diskBytes == nil || directories.disk != nil else {
            throw SandboxError(.invalidPlan, "there is no image for /data, whose size is limited")
        }
        let network = try network(of: assignment.spec)
        guard UserIDs.range.contains(userID) else {
            throw SandboxError(.invalidPlan, "\(userID) is not one of the user ids for apps")
        }
        guard (1...65_535).contains(port) else { throw SandboxError(.invalidPlan, "\(port) is not a TCP port") }
        var plan = RunPlan(argumentVector: assignment.spec.command.argumentVector, userID: userID, groupID: userID)
        plan.resourceLimits = ResourceLimit.standard
        plan.outOfMemoryScoreAdjustment = configuration.outOfMemoryScoreAdjustment
        switch assignment.spec.sandbox {
        case .standard, .strict:
            plan.namespaces = .standard
            plan.hostname = assignment.app.rawValue
            plan.environment = AppEnvironment.variables(for: assignment, port: port)
            plan.workingDirectory = "/app"
            // What the app can write, it cannot execute; /dev/shm is so in every profile.
            let writable: Mount.Options = assignment.spec.sandbox == .strict ? .noExecution : []
            plan.mounts = mounts(
                userID: userID, hostname: plan.hostname, network: network, directories: directories,
                writable: writable)
            plan.mounts += Self.secretFiles(assignment.spec)
            confine(&plan, assignment.spec.sandbox, port: UInt16(port))
        case .off:
            // The host's file system, but still a user of its own and no capabilities: an app is never root.
            plan.environment = AppEnvironment.variables(for: assignment, port: port, home: directories.data)
            plan.workingDirectory = directories.app ?? directories.data
        }
        if network != .host {
            plan.namespaces.insert(.network)
            plan.connectorPort = UInt16(port)
            plan.awaitsEgress = network == .egress
        }
        return plan
    }

    /// The plan of a command beside the app of a run that lives: the same user, limits and rules, in the run's own
    /// namespaces.
    ///
    /// - Parameters:
    ///   - assignment: the run's, with the command in place of the app's.
    ///   - port: what the command gets as `PORT`.
    ///   - userID: the app's uid and gid.
    ///   - directories: the run's.
    public func joiningPlan(
        assignment: Assignment, port: Int, userID: UInt32, directories: AppDirectories
    ) throws -> RunPlan {
        var plan = try plan(assignment: assignment, port: port, userID: userID, directories: directories)
        plan.joins = true
        plan.mounts = []
        plan.connectorPort = nil
        plan.awaitsEgress = false
        // The app's processes are those of another domain, and whoever runs a command there may want to signal them. The
        // pid namespace still ends at the run.
        plan.landlock?.scopesSignals = false
        return plan
    }

    /// Secrets as files that nobody but the app's user can read. Without a view of its own there are only variables.
    private static func secretFiles(_ spec: ReleaseSpec) -> [Mount] {
        (spec.secrets ?? [:]).sorted { $0.key < $1.key }.map { name, value in
            .file(target: "\(Secret.directory)/\(name)", contents: value.text, mode: 0o400, options: .owned)
        }
    }

    /// Adds the layers that stand behind the view, as far as the node has them; ``SandboxMinimum`` has refused before
    /// where it must.
    func confine(_ plan: inout RunPlan, _ profile: SandboxProfile, port: UInt16?) {
        let inForce = Set(configuration.layers.filter(\.enforced).map(\.name))
        plan.systemCallFilter = inForce.contains(LayerName.seccomp) ? filters[profile] : nil
        if let abi = configuration.landlockABI, inForce.contains(LayerName.landlock) {
            plan.landlock = Landlock(abi: abi, mounts: plan.mounts, port: port)
        }
    }

    /// - Throws: `SandboxError.profileUnavailable` when a layer is missing that the node's operator requires.
    func checkLayers() throws {
        if let refusal = configuration.minimum.refusal(layers: configuration.layers) {
            throw SandboxError(.profileUnavailable, refusal)
        }
    }

    private func checkRequest(_ spec: ReleaseSpec) throws {
        switch spec.sandbox {
        case .standard, .strict: try checkLayers()
        case .off where !configuration.allowOff:
            throw SandboxError(
                .profileForbidden,
                "this node does not allow the sandbox profile 'off'; deploy with --sandbox standard, or have the node's "
                    + "operator allow it")
        case .off: break
        }
    }

    /// Looks whether a release can have its `/data` here.
    ///
    /// - Parameters:
    ///   - spec: the release.
    ///   - hasImage: the app's `/data` is in an image already.
    /// - Throws: `SandboxError` when the release cannot have its `/data` here.
    public func checkDisk(of spec: ReleaseSpec, hasImage: Bool) throws {
        try configuration.disks.check(spec, hasImage: hasImage)
    }

    private func mounts(
        userID: UInt32, hostname: String, network: NetworkMode, directories: AppDirectories, writable: Mount.Options
    ) -> [Mount] {
        let sharesNames = network == .host
        let identity = IdentityFiles.mounts(
            userID: userID, hostname: hostname,
            hostsOfTheHost: sharesNames ? IdentityFiles.hostsOfTheHost : "")
        var view = systemView.mounts
        if !sharesNames {
            // The host's name servers cannot be reached directly, and are the host's business.
            view.removeAll { $0.target == "/etc/resolv.conf" }
            let resolver =
                network == .egress
                ? "nameserver \(EgressTool.nameServer)\n" : "# This app has no network but its own loopback.\n"
            view.append(.file(target: "/etc/resolv.conf", contents: resolver))
        }
        let bundle: Mount =
            if let app = directories.app {
                .bind(source: app, target: "/app", options: .readOnly)
            } else {
                .temporary(target: "/app", sizeBytes: 4_096, mode: 0o555, options: .noExecution)
            }
        let data: Mount =
            if let disk = directories.disk {
                .disk(image: disk.image, target: "/data", growingTo: UInt64(disk.growingTo), options: writable)
            } else {
                .bind(source: directories.data, target: "/data", options: writable)
            }
        return view + identity + [
            bundle, data,
            .temporary(
                target: "/tmp", sizeBytes: configuration.temporaryBytes, mode: 0o1777, options: writable),
            .symbolicLink(target: "/var/tmp", text: "../tmp"),
            .processes(target: "/proc"),
            .devices(target: "/dev", sharedMemoryBytes: configuration.sharedMemoryBytes),
        ]
    }
}
