// SPDX-License-Identifier: Apache-2.0

/// `GET /apps/{…}/inspection`: an app, and what is in force for each of its instances, read from the kernel.
public struct AppInspection: Codable, Hashable, Sendable {
    /// The app, its last exit report included.
    public var app: App
    /// One element an instance on the node, by slot.
    public var instances: [InstanceInspection]

    /// Creates an inspection.
    public init(app: App, instances: [InstanceInspection]) {
        self.app = app
        self.instances = instances
    }
}

/// The file system of an app's `/data`, in bytes.
public struct DiskInspection: Codable, Hashable, Sendable {
    /// Size of its image: what the limit is now.
    public var sizeBytes: Int64
    /// What the image takes of the node's own disk.
    public var allocatedBytes: Int64
    /// What files take of it; nil while nothing has it mounted.
    public var usedBytes: Int64?
    /// What files may still take; nil while nothing has it mounted.
    public var freeBytes: Int64?

    /// Creates it.
    public init(sizeBytes: Int64, allocatedBytes: Int64, usedBytes: Int64? = nil, freeBytes: Int64? = nil) {
        self.sizeBytes = sizeBytes
        self.allocatedBytes = allocatedBytes
        self.usedBytes = usedBytes
        self.freeBytes = freeBytes
    }
}

/// What is in force for one instance.
public struct InstanceInspection: Codable, Hashable, Sendable {
    /// A process that listens on the instance's port.
    public struct PortOwner: Codable, Hashable, Sendable {
        /// Its pid on the node.
        public var pid: Int32
        /// Its name.
        public var name: String
        /// It is one of the instance's own.
        public var ownInstance: Bool

        /// Creates an owner.
        public init(pid: Int32, name: String, ownInstance: Bool) {
            self.pid = pid
            self.name = name
            self.ownInstance = ownInstance
        }
    }

    /// See `Assignment.instanceID`.
    public var id: String
    /// The slot, `web.1`.
    public var name: String
    /// The release, `v1`.
    public var release: String
    /// State of the instance.
    public var state: InstanceState
    /// The app's first process, on the node; nil when nothing runs.
    public var pid: Int32?
    /// TCP port.
    public var port: Int?
    /// Who listens on the port; nil when nobody does.
    public var portOwner: PortOwner?
    /// The app's user id.
    public var userID: UInt32?
    /// The run's cgroup.
    public var cgroup: String?
    /// Limits that the cgroup's files have, as the kernel writes them: `memory.max`, `pids.max`, `cpu.max`; only those
    /// that this machine can enforce.
    public var cgroupLimits: [String: String]
    /// Resource limits of the process: `Max open files`, as proc_pid_limits(5) names them, soft and hard.
    public var resourceLimits: [String: String]
    /// The profile that the release asks for.
    public var sandbox: SandboxProfile
    /// Each layer of the sandbox, and whether it is in force for this process.
    public var layers: [SandboxLayer]
    /// The file system at `/data`, the same for all of its instances; nil where the size of `/data` has no limit.
    public var disk: DiskInspection?
    /// System calls of the present run that the sandbox has blocked, the most frequent first; nil for none. At most a minute
    /// old.
    public var blockedCalls: [BlockedCall]?
    /// The app's log, the same for all of its instances.
    public var log: LogInspection?
    /// How the last run ended.
    public var lastExit: ExitReport?

    /// An instance of which nothing runs.
    public init(id: String, name: String, release: String, state: InstanceState, sandbox: SandboxProfile) {
        self.id = id
        self.name = name
        self.release = release
        self.state = state
        self.sandbox = sandbox
        cgroupLimits = [:]
        resourceLimits = [:]
        layers = []
    }
}
