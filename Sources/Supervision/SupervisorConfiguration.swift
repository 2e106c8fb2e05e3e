// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
public import PaaSModel

/// Settings of the supervisor.
public struct SupervisorConfiguration: Sendable {
    /// The agent's state directory, `<home>/agent`.
    public var stateDirectory: String
    /// Path of the `paas-init` executable.
    public var initPath: String
    /// Ports for apps.
    public var portRange: ClosedRange<UInt16>
    /// Apps may run with `--sandbox off`, and then must find their directories by the host's paths.
    public var allowsSandboxOff = false
    /// Least time between two events of one app about one system call that its sandbox has blocked.
    public var denialPause = Duration.seconds(60)
    /// Runs of this node at most that are made before they are needed; see `Standby`. 0: none.
    public var standbys = Defaults.standbys
    /// What differs from the contract's defaults for every app that does not say otherwise.
    public var defaults = LifecycleRules()

    /// Creates settings with the contract's defaults.
    public init(
        stateDirectory: String, initPath: String, portRange: ClosedRange<UInt16> = Defaults.portRange
    ) {
        self.stateDirectory = stateDirectory
        self.initPath = initPath
        self.portRange = portRange
    }
}

/// How one instance is started, watched, restarted and stopped: its release's rules, the node's defaults, the contract's.
struct Lifecycle {
    private let rules: LifecycleRules

    init(_ spec: ReleaseSpec, _ configuration: SupervisorConfiguration) {
        rules = configuration.defaults.merged(with: spec.lifecycle)
    }

    var backoff: Backoff {
        Backoff(
            base: seconds(rules.backoffSeconds, Defaults.backoffBase),
            cap: seconds(rules.backoffMaxSeconds, Defaults.backoffCap))
    }
    var startTimeout: Duration { seconds(rules.startTimeoutSeconds, Defaults.deployTimeout) }
    var healthyAfter: Duration { seconds(rules.healthyAfterSeconds, Defaults.healthyAfter) }
    var drain: Duration { seconds(rules.drainSeconds, Defaults.drain) }
    var healthInterval: Duration { seconds(rules.healthIntervalSeconds, Defaults.probeInterval) }
    var healthTimeout: Duration { seconds(rules.healthTimeoutSeconds, Defaults.probeTimeout) }
    var healthFailures: Int { rules.healthFailures ?? Defaults.probeFailures }

    /// Where its lines are sent to; nil is nowhere.
    var logDrain: LogDrainAddress? { rules.logDrain.flatMap { LogDrainAddress($0) } }
    var log: LogRules {
        LogRules(
            sizeBytes: rules.logSizeBytes, keepSeconds: rules.logKeepSeconds, flood: rules.logFlood,
            rate: rules.logRateBytesPerSecond, compression: rules.logCompression)
    }

    /// The exit code means that the app has done what it was to do.
    func isSuccess(_ code: Int?) -> Bool {
        code.map { (rules.successExitCodes ?? [0]).contains($0) } ?? false
    }

    /// The exit code means that starting it again is of no use.
    func forbidsRestart(_ code: Int?) -> Bool {
        code.map { (rules.noRestartExitCodes ?? []).contains($0) } ?? false
    }

    private func seconds(_ seconds: Double?, _ otherwise: Duration) -> Duration {
        seconds.map { .seconds($0) } ?? otherwise
    }
}
