// SPDX-License-Identifier: Apache-2.0

/// Everything that `paas-init` has to know for one run; nothing is left for it to decide.
///
/// Made by ``SandboxPlanner``, sent by ``encoded()``.
public struct RunPlan: Hashable, Sendable {
    /// Program and arguments. Without a `/` the program is searched in the environment's `PATH`.
    public var argumentVector: [String]
    /// The whole environment; nothing is inherited.
    public var environment: [String: String]
    /// Absolute path in the app's view.
    public var workingDirectory: String
    /// The app's user id, never 0.
    public var userID: UInt32
    /// The app's only group id, never 0.
    public var groupID: UInt32
    /// Namespaces of its own.
    public var namespaces: Namespaces
    /// TCP port on 127.0.0.1 of the run's network that the connector leads to; nil: the run has no connector.
    public var connectorPort: UInt16?
    /// The app is started only once the agent's tool has connected the run's network to the outside.
    public var awaitsEgress: Bool
    /// Host name in the UTS namespace, at most 64 bytes; empty to leave it.
    public var hostname: String
    /// The view of the file system, in order; empty to leave the host's.
    public var mounts: [Mount]
    /// Resource limits.
    public var resourceLimits: [ResourceLimit]
    /// What the kernel asks before each system call of the app; nil for none.
    public var systemCallFilter: SystemCallFilter?
    /// Rules on files, ports and signals, in addition; nil for none.
    public var landlock: Landlock?
    /// Preference of the kernel's OOM killer, -1000 to 1000 (proc_pid_oom_score_adj(5)).
    public var outOfMemoryScoreAdjustment: Int32
    /// `paas-init` stays after the app's end until it is killed, and so does what the app last printed.
    public var lingers: Bool
    /// Least time between two records of denials of one system call, at most an hour; nil: the filter answers by itself, and
    /// nobody is told. Not for a run that is joined.
    public var denialPause: Duration?
    /// Descriptor 0 is a terminal, and becomes the app's controlling one.
    public private(set) var hasTerminal = false
    /// No namespaces are made: ``namespaces`` are those of a run that lives, and are entered.
    public var joins = false
    /// Everything is done but the last step, the execution of the program, which waits for a ``GoMessage``. Not for a run that
    /// is joined.
    public var waits = false

    /// The least that a plan needs: no namespaces, no limits, the host's file system.
    public init(argumentVector: [String], userID: UInt32, groupID: UInt32, workingDirectory: String = "/") {
        self.argumentVector = argumentVector
        self.environment = [:]
        self.workingDirectory = workingDirectory
        self.userID = userID
        self.groupID = groupID
        self.namespaces = []
        self.connectorPort = nil
        self.awaitsEgress = false
        self.hostname = ""
        self.mounts = []
        self.resourceLimits = []
        self.systemCallFilter = nil
        self.landlock = nil
        self.outOfMemoryScoreAdjustment = 0
        self.lingers = false
        self.denialPause = nil
    }

    /// Makes descriptor 0 a terminal, which may be controlled through `/dev/tty` as well: a shell asks for its foreground
    /// group there.
    public mutating func takeTerminal() {
        hasTerminal = true
        guard let handled = landlock?.handledFiles else { return }
        landlock?.paths.append(
            Landlock.PathRule(
                path: "/dev/tty",
                rights: Landlock.FileRights([.readFile, .writeFile, .deviceControl]).intersection(handled),
                optional: true))
    }

    /// The signal at which `paas-init` kills the app and writes down how it ended (`PAAS_INIT_SIGNAL_KILL`).
    public static let killSignal: Int32 = 30

    /// Largest plan that `paas-init` accepts, in bytes.
    public static let maxBytes = 1 << 20
    /// Largest number of ``mounts``.
    public static let maxMounts = 128
}
