// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import Glibc
public import LinuxSystem
public import PaaSModel
internal import Sandbox
internal import Synchronization

/// A command that somebody runs beside an app, with the ends of its input and output.
///
/// `@unchecked Sendable`: what changes is touched on the supervisor's thread only; the rest is made once.
public final class CommandSession: @unchecked Sendable {
    /// This side of what the command reads and writes. Non-blocking or not is the taker's choice.
    public enum Streams: Sendable {
        /// A terminal; reading fails with EIO at its end.
        case terminal(Shared<OwnedDescriptor>)
        /// Pipes.
        case pipes(input: Shared<OwnedDescriptor>, output: Shared<OwnedDescriptor>, errors: Shared<OwnedDescriptor>)
    }

    /// Where it runs.
    public let start: SessionStart
    let id: String
    let appID: String
    /// The bundle that it has at `/app`.
    let bundle: String?
    let process: Shared<ProcessHandle>
    let cgroup: RunCgroup
    /// The cgroup is the command's own; otherwise it is that of the instance.
    let ownsCgroup: Bool
    let failure: Shared<OwnedDescriptor>
    let exitRecord: Shared<OwnedDescriptor>
    private let streams: Mutex<Streams?>
    var registration: EventLoop.Registration?
    var cgroupRegistration: EventLoop.Registration?
    var killTimer: EventLoop.Timer?
    /// Its cgroup was told to die, `paas-init` with it: it wrote nothing down.
    var wasKilled = false
    /// How it ended, once that is known.
    var end: SessionEnd?
    /// The tool that carries its traffic.
    var egressTool: Shared<ProcessHandle>?
    /// Why its way out could not be made.
    var egressFailure: String?
    var waiter: CheckedContinuation<SessionEnd, Never>?

    init(
        id: String, appID: String, bundle: String?, start: SessionStart, process: Shared<ProcessHandle>,
        cgroup: RunCgroup, ownsCgroup: Bool, failure: Shared<OwnedDescriptor>, exitRecord: Shared<OwnedDescriptor>,
        streams: Streams
    ) {
        self.id = id
        self.appID = appID
        self.bundle = bundle
        self.start = start
        self.process = process
        self.cgroup = cgroup
        self.ownsCgroup = ownsCgroup
        self.failure = failure
        self.exitRecord = exitRecord
        self.streams = Mutex(streams)
    }

    /// Gives this side of input and output to whoever carries them; nil the second time.
    public func takeStreams() -> Streams? { streams.withLock { $0.take() } }

    /// What `paas-init` has said and written down, in the codes of `podman exec`.
    var observedEnd: SessionEnd {
        if let failure = startFailure { return failure }
        switch ExitRecord(bytes: exitRecord.value.allBytes(limit: 4_096))?.outcome {
        case .exited(let code): return SessionEnd(code: code)
        case .signaled(let signal, _): return SessionEnd(code: 128 + signal)
        case .notStarted, nil:
            return wasKilled ? SessionEnd(code: 128 + SIGKILL) : .failure("the command was ended, and nobody saw how")
        }
    }

    private var startFailure: SessionEnd? {
        let bytes = failure.value.allBytes(limit: 4_096)
        guard !bytes.isEmpty else { return nil }
        do {
            let failure = try StartFailure(bytes: bytes)
            let message = failure.description + (failure.stage == .egress ? egressFailure ?? "" : "")
            guard failure.stage == .exec else { return .failure(message) }
            return SessionEnd(code: failure.errno == ENOENT ? 127 : 126, message: message)
        } catch {
            return .failure("\(error)")
        }
    }
}
