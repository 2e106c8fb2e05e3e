// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// Settings of the supervisor.
public struct SupervisorConfiguration: Sendable {
    /// The agent's state directory, `<home>/agent`.
    public var stateDirectory: String
    /// Path of the `paas-init` executable.
    public var initPath: String
    /// Ports for apps.
    public var portRange: ClosedRange<UInt16>
    /// Pause before restarts.
    public var backoff = Backoff()
    /// Time a run has to become ready.
    public var startTimeout = Defaults.deployTimeout
    /// Longest wait for requests in flight before a stop signal.
    public var drainLimit = Defaults.drain
    /// A run that lasted this long resets the back-off.
    public var healthyAfter = Defaults.healthyAfter

    /// Creates settings with the contract's defaults.
    public init(
        stateDirectory: String, initPath: String, portRange: ClosedRange<UInt16> = Defaults.portRange
    ) {
        self.stateDirectory = stateDirectory
        self.initPath = initPath
        self.portRange = portRange
    }
}
