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
    /// Host name in the UTS namespace, at most 64 bytes; empty to leave it.
    public var hostname: String
    /// The view of the file system, in order; empty to leave the host's.
    public var mounts: [Mount]
    /// Resource limits.
    public var resourceLimits: [ResourceLimit]
    /// Preference of the kernel's OOM killer, -1000 to 1000 (proc_pid_oom_score_adj(5)).
    public var outOfMemoryScoreAdjustment: Int32

    /// The least that a plan needs: no namespaces, no limits, the host's file system.
    public init(argumentVector: [String], userID: UInt32, groupID: UInt32, workingDirectory: String = "/") {
        self.argumentVector = argumentVector
        self.environment = [:]
        self.workingDirectory = workingDirectory
        self.userID = userID
        self.groupID = groupID
        self.namespaces = []
        self.hostname = ""
        self.mounts = []
        self.resourceLimits = []
        self.outOfMemoryScoreAdjustment = 0
    }

    /// Largest plan that `paas-init` accepts, in bytes.
    public static let maxBytes = 1 << 20
    /// Largest number of ``mounts``.
    public static let maxMounts = 128
}
