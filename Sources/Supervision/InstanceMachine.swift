// SPDX-License-Identifier: Apache-2.0

public import PaaSModel

/// The life of one instance as a pure state machine: (state, event) → (state, actions).
///
/// It knows nothing of processes, clocks or files; the ``Supervisor`` feeds it events and performs its actions. The
/// whole behaviour is the table in ``handle(_:)``; docs/supervision.md shows it for people.
public struct InstanceMachine: Hashable, Sendable {
    /// What the control plane wants of the instance.
    public enum Goal: String, Codable, Hashable, Sendable {
        case running, stopped, removed
    }

    /// How a run ended, as far as the machine cares.
    public struct Ending: Hashable, Sendable {
        /// It exited with code 0.
        public var succeeded: Bool
        /// It had been ready.
        public var wasReady: Bool
        /// It ran long enough to count as healthy, so the back-off starts over.
        public var wasHealthy: Bool
        /// Starting it again cannot help: the command does not exist, or the node refuses it.
        public var permanent: Bool

        /// Describes an ending.
        public init(
            succeeded: Bool = false, wasReady: Bool = false, wasHealthy: Bool = false, permanent: Bool = false
        ) {
            self.succeeded = succeeded
            self.wasReady = wasReady
            self.wasHealthy = wasHealthy
            self.permanent = permanent
        }
    }

    /// What can happen to an instance.
    public enum Event: Hashable, Sendable {
        /// The control plane wants something.
        case want(Goal)
        /// The run can get requests.
        case becameReady
        /// The run ended, and nothing of it is left: its cgroup is empty.
        case ended(Ending)
        /// The pause before a restart is over.
        case pauseOver
        /// No request is in flight any more, or the drain limit has passed.
        case drained
        /// The time between stop signal and kill is over.
        case graceOver
        /// The run did not become ready in time, or stopped answering its health check.
        case unhealthy
        /// An agent that just started found this instance's run alive.
        case adopted(ready: Bool)
        /// An agent that just started found no run of this instance, and none that ended: the machine was rebooted,
        /// or the earlier agent had not come to starting it.
        case foundNothing
    }

    /// What the supervisor has to do.
    public enum Action: Hashable, Sendable {
        case start
        /// Let requests reach the run.
        case openRoute
        /// Take it out of the route table at once.
        case closeRoute
        /// Take it out of the route table, then report `.drained`.
        case closeRouteAndDrain
        /// Send the stop signal and report `.graceOver` later.
        case signalStop
        /// Write down what the run is doing, then kill its whole cgroup: it no longer answers.
        case examineAndKill
        /// Kill the run's whole cgroup.
        case kill
        /// Report `.pauseOver` after the back-off for this many failures.
        case pause(failures: Int, wasReady: Bool)
        case cancelPause
        /// Nothing runs and nothing will: free the port and what else the instance holds.
        case release
        /// The instance is gone for good.
        case forget
    }

    /// Where the instance stands.
    public private(set) var state: InstanceState = .pending
    /// What the control plane wants; nil until it has said so.
    public private(set) var goal: Goal?
    /// Starts after a run that ended by itself.
    public private(set) var restarts = 0
    /// Failed runs in a row since the last healthy one.
    public private(set) var failures = 0
    /// The end of the current run was asked for by the control plane, not by a failure.
    public private(set) var endIsRequested = false

    private let policy: RestartPolicy

    /// A new instance that nobody has asked anything of.
    public init(policy: RestartPolicy) {
        self.policy = policy
    }

    /// An instance as it was when an earlier agent wrote it down.
    ///
    /// - Parameters:
    ///   - policy: when to start again.
    ///   - goal: what the control plane wanted; nil when it had not said.
    ///   - state: where the instance was.
    ///   - restarts: so far.
    ///   - failures: in a row, for the pause before the next start.
    ///   - endIsRequested: the run had been told to stop because the control plane wanted it.
    public init(
        policy: RestartPolicy, goal: Goal?, state: InstanceState, restarts: Int, failures: Int,
        endIsRequested: Bool = false
    ) {
        self.policy = policy
        self.goal = goal
        self.state = state
        self.restarts = restarts
        self.failures = failures
        self.endIsRequested = endIsRequested
    }

    /// Several runs in a row failed; restarts go on with growing pauses.
    public var isCrashLooping: Bool {
        failures >= Defaults.crashLoopThreshold && (state == .starting || state == .restarting)
    }

    /// Takes an event in. An event that means nothing in the current state changes nothing.
    public mutating func handle(_ event: Event) -> [Action] {
        if case .want(let wanted) = event { return want(wanted) }
        switch (state, event) {
        case (.starting, .becameReady):
            state = .running
            return [.openRoute]

        case (.pending, .adopted(let ready)), (.starting, .adopted(let ready)), (.running, .adopted(let ready)),
            (.restarting, .adopted(let ready)), (.stopping, .adopted(let ready)):
            state = ready ? .running : .starting
            endIsRequested = false
            return (ready ? [.openRoute] : []) + pursue()
        case (.pending, .foundNothing), (.starting, .foundNothing), (.running, .foundNothing),
            (.stopping, .foundNothing):
            return goal == .running ? begin() : settle()
        case (.restarting, .foundNothing):
            guard goal == .running else { return settle() }
            restarts += 1
            return begin()

        case (.starting, .unhealthy):
            state = .stopping
            return [.signalStop]
        case (.running, .unhealthy):
            // No drain and no stop signal: what does not answer will not end its requests either.
            state = .stopping
            return [.closeRoute, .examineAndKill]

        case (.stopping, .drained): return [.signalStop]
        case (.stopping, .graceOver): return [.kill]

        case (.starting, .ended(let ending)), (.running, .ended(let ending)):
            return endedByItself(ending)
        case (.stopping, .ended(let ending)):
            return endIsRequested ? endedAsAsked() : endedByItself(ending)

        case (.restarting, .pauseOver):
            restarts += 1
            return begin()

        default: return []
        }
    }

    /// What would follow if the run ended now: the failures and readiness that the pause before the next run depends on; nil when
    /// no run would follow.
    public func restart(after ending: Ending) -> (failures: Int, wasReady: Bool)? {
        var next = self
        guard case .pause(let failures, let wasReady)? = next.handle(.ended(ending)).first else { return nil }
        return (failures, wasReady)
    }

    private mutating func want(_ wanted: Goal) -> [Action] {
        // The stream of assignments is level-triggered and repeats itself; only a change counts, or every reconnect
        // would start an app again that ended by policy. Removed is final: a late message must not revive the dead.
        guard wanted != goal, goal != .removed else { return [] }
        goal = wanted
        return pursue()
    }

    /// Sets out from the current state towards the goal.
    private mutating func pursue() -> [Action] {
        switch (state, goal) {
        case (.pending, .running), (.stopped, .running), (.failed, .running):
            failures = 0
            return begin()
        case (.starting, .stopped), (.starting, .removed):
            state = .stopping
            endIsRequested = true
            return [.signalStop]
        case (.running, .stopped), (.running, .removed):
            state = .stopping
            endIsRequested = true
            return [.closeRouteAndDrain]
        case (.stopping, .stopped), (.stopping, .removed):
            endIsRequested = true
            return []
        case (.restarting, .stopped), (.restarting, .removed):
            return [.cancelPause] + settle()
        case (.pending, .stopped), (.failed, .stopped), (.pending, .removed), (.failed, .removed), (.stopped, .removed):
            return settle()
        default: return []
        }
    }

    private mutating func begin() -> [Action] {
        state = .starting
        endIsRequested = false
        return [.start]
    }

    /// Comes to rest at a goal that is not `.running`.
    private mutating func settle() -> [Action] {
        state = goal == .removed ? .removed : .stopped
        return goal == .removed ? [.release, .forget] : [.release]
    }

    private mutating func endedAsAsked() -> [Action] {
        endIsRequested = false
        // The goal may have gone back to running while the old run was on its way out.
        if goal == .running {
            failures = 0
            return begin()
        }
        return settle()
    }

    private mutating func endedByItself(_ ending: Ending) -> [Action] {
        if goal != .running { return settle() }
        if ending.wasHealthy { failures = 0 }
        let restart =
            switch policy {
            case .always: true
            case .onFailure: !ending.succeeded
            case .never: false
            }
        guard restart && !ending.permanent else {
            state = ending.succeeded ? .stopped : .failed
            return [.release]
        }
        failures += 1
        state = .restarting
        return [.pause(failures: failures, wasReady: ending.wasReady)]
    }
}
