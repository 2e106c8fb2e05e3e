// SPDX-License-Identifier: Apache-2.0

internal import LinuxSystem
internal import Sandbox

/// The next run of an instance, made while the present one lives: its `paas-init` has built the whole sandbox, and the last step,
/// the execution of the program, waits for one message.
///
/// Nobody sees it as a run of the app before that. The message is the one moment at which it becomes one, for this agent and for
/// any other: see `GoMessage`. Without an agent that could send it, `paas-init` ends and leaves nothing.
///
/// `@unchecked Sendable` as ``Run`` is.
final class Standby: @unchecked Sendable {
    let run: Run
    /// It has become the instance's run, or is about to.
    private(set) var hasBegun: Bool
    /// Tells the end of its `paas-init`.
    var registration: EventLoop.Registration?
    /// Both ends of the FIFO; nil for one that an earlier agent has begun.
    private let go: Shared<OwnedDescriptor>?
    private let shown: ShownFiles?

    /// - Parameters:
    ///   - run: as it was spawned.
    ///   - go: both ends of the FIFO that `paas-init` has the read end of; as long as it is open here the run waits.
    ///   - shown: what its view shows of the host.
    init(_ run: Run, go: Shared<OwnedDescriptor>, shown: ShownFiles) {
        self.run = run
        self.go = go
        self.shown = shown
        hasBegun = false
    }

    /// One that an earlier agent has begun.
    init(begun run: Run) {
        self.run = run
        go = nil
        shown = nil
        hasBegun = true
    }

    /// It waits, or is on its way there, and its view shows what one that is made now would show.
    var isFit: Bool {
        do {
            // It is this agent's own child.
            guard let process = run.process, try process.value.exitStatus() == nil else { return false }
        } catch {
            return false
        }
        return shown?.areCurrent ?? false
    }

    /// Lets it begin. What the message says goes into its record.
    ///
    /// - Throws: `SystemError`; it waits on then.
    func begin() throws(SystemError) {
        guard let go, !hasBegun else { return }
        let message = GoMessage()
        try go.value.writeAll(message.bytes)
        hasBegun = true
        run.record.began(message)
    }
}

extension RunRecord {
    /// The run began when the message was written.
    mutating func began(_ message: GoMessage) {
        startedAt = message.time
        startedMonotonic = message.instant.nanoseconds
    }
}
