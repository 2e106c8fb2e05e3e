// SPDX-License-Identifier: Apache-2.0

public import Cgroups
internal import Glibc
public import LinuxSystem
public import Sandbox

/// Runs a program to its end in a sandbox and a cgroup of its own, beside the supervised apps: for unpacking bundles.
/// Lives on the event loop's thread.
public actor OneOffRunner {
    /// How it went.
    public struct Result: Sendable {
        /// How the program ended; nil when it could not be started, or its end could not be learned.
        public var outcome: ExitRecord.Outcome?
        /// Why it could not be started.
        public var startFailure: String?
        /// The end of what it printed, stdout and stderr together.
        public var output: String
    }

    /// The thread this actor lives on.
    public nonisolated let loop: EventLoop
    private let cgroups: CgroupTree
    private let initPath: String

    /// Creates a runner on a loop that runs.
    public init(loop: EventLoop, cgroups: CgroupTree, initPath: String) {
        self.loop = loop
        self.cgroups = cgroups
        self.initPath = initPath
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }

    /// Starts the plan's program and returns when it and all it started have ended.
    ///
    /// - Parameters:
    ///   - plan: what to start, and in which sandbox.
    ///   - app: name for the cgroup's slice.
    ///   - runID: never used before.
    ///   - limits: of the program's cgroup.
    ///   - timeLimit: after it everything is killed.
    ///   - outputLimit: bytes of output that are kept, from the end.
    /// - Throws: `SystemError`, `CgroupError` or `SandboxError` when nothing could be started.
    public func run(
        _ plan: RunPlan, app: String, runID: String, limits: CgroupLimits, timeLimit: Duration,
        outputLimit: Int = 4_096
    ) async throws -> Result {
        let job = try start(plan, app: app, runID: runID, limits: limits)
        defer {
            try? job.cgroup.remove()
            // Another run may still be in it; then the last one removes it.
            _ = try? cgroups.removeSlice(app: app)
        }
        try watch(job, timeLimit: timeLimit, outputLimit: outputLimit)
        await withCheckedContinuation { job.ended = $0 }
        if try job.cgroup.isPopulated() { try job.cgroup.kill() }
        return job.result
    }

    /// Not part of `run`: Swift 6.3 mishandles noncopyable values that live across a suspension.
    private func start(_ plan: RunPlan, app: String, runID: String, limits: CgroupLimits) throws -> OneOffJob {
        let exitRecord = try OwnedDescriptor.anonymousFile(name: "paas-exit")
        var output = try Pipe()
        let cgroup = try cgroups.makeRun(app: app, run: runID, limits: limits)
        do {
            let writer = output.writer?.rawValue ?? -1
            let started = try InitStart(
                path: initPath, plan: plan,
                descriptors: InitStart.Descriptors(
                    stdout: writer, stderr: writer, exitRecord: exitRecord.rawValue),
                cgroup: cgroup.descriptor)
            output.closeWriter()
            return OneOffJob(
                process: started.process, cgroup: cgroup, output: Shared(output.takeReader()),
                failure: started.failure, exitRecord: Shared(exitRecord))
        } catch {
            try? cgroup.remove()
            throw error
        }
    }

    private func watch(_ job: OneOffJob, timeLimit: Duration, outputLimit: Int) throws(SystemError) {
        job.registrations.append(
            try loop.register(job.output.value, for: .readable) { job.read(keeping: outputLimit) })
        job.registrations.append(
            try loop.register(job.process.value.pidfd, for: .readable) { [loop] in
                for registration in job.registrations { loop.cancel(registration) }
                if let timer = job.timer { loop.cancel(timer) }
                job.read(keeping: outputLimit)
                // Reaps it; how the program ended stands in the exit record.
                _ = try? job.process.value.exitStatus()
                job.ended?.resume()
                job.ended = nil
            })
        job.timer = loop.schedule(after: timeLimit) { try? job.cgroup.kill() }
    }
}

/// One program on its way. `@unchecked Sendable` as ``Run`` is: only the loop's thread touches it.
private final class OneOffJob: @unchecked Sendable {
    let process: Shared<ProcessHandle>
    let cgroup: RunCgroup
    let output: Shared<OwnedDescriptor>
    let failure: Shared<OwnedDescriptor>
    let exitRecord: Shared<OwnedDescriptor>
    var registrations: [EventLoop.Registration] = []
    var timer: EventLoop.Timer?
    /// Resumed when the program has ended. Set in the same turn in which the watch begins.
    var ended: CheckedContinuation<Void, Never>?
    var tail: [UInt8] = []

    init(
        process: Shared<ProcessHandle>, cgroup: RunCgroup, output: Shared<OwnedDescriptor>,
        failure: Shared<OwnedDescriptor>, exitRecord: Shared<OwnedDescriptor>
    ) {
        self.process = process
        self.cgroup = cgroup
        self.output = output
        self.failure = failure
        self.exitRecord = exitRecord
    }

    var result: OneOffRunner.Result {
        OneOffRunner.Result(
            outcome: ExitRecord(bytes: exitRecord.value.allBytes(limit: 4_096))?.outcome, startFailure: startFailure,
            output: String(decoding: tail, as: UTF8.self))
    }

    private var startFailure: String? {
        let bytes = failure.value.allBytes(limit: 4_096)
        if bytes.isEmpty { return nil }
        do { return try StartFailure(bytes: bytes).description } catch { return "\(error)" }
    }

    func read(keeping limit: Int) {
        tail.append(contentsOf: output.value.allBytes(limit: 65_536))
        if tail.count > limit { tail.removeFirst(tail.count - limit) }
    }
}
