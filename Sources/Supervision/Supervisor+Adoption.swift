// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel

extension Supervisor {
    /// Takes over what an earlier agent left: runs that live go on, runs that ended meanwhile are reported with their
    /// true status, and what nobody owns is removed. Call it once, before the first ``apply(_:)``.
    ///
    /// - Parameter stopping: only to stop what lives: nothing is started, and the control plane's wish counts as
    ///   `stopped` until it says something again.
    /// - Throws: an error of a record that cannot be read, or of the cgroup file system.
    public func restore(stopping: Bool = false) throws {
        let records = try directory.loadInstances()
        // All of them before the first start, which could otherwise get the port of a run that is adopted later.
        for record in records {
            if let run = record.run { _ = ports.reserve(run.port, owner: record.assignment.instanceID) }
        }
        for var record in records {
            if stopping && record.goal == .running { record.goal = .stopped }
            restore(record)
        }
        // The earlier agent may have died between a change and its report, and the router knows nothing yet.
        for instance in instances.values {
            report(instance)
            publishRoute(ofApp: instance.app)
        }
        try removeLeftovers()
    }

    private func restore(_ record: InstanceRecord) {
        let machine = InstanceMachine(
            policy: record.assignment.spec.restart, goal: record.goal, state: record.state,
            restarts: record.restarts, failures: record.failures, endIsRequested: record.run?.stopRequested ?? false)
        let instance = ManagedInstance(assignment: record.assignment, machine: machine, since: .now)
        instance.everReady = record.everReady
        instance.lastExit = record.lastExit
        instances[instance.id] = instance
        guard let runRecord = record.run else { return feed(.foundNothing, to: instance) }

        do {
            guard let run = try adopt(runRecord, of: instance) else {
                directory.removeRun(runRecord.runID)
                return feed(.foundNothing, to: instance)
            }
            instance.run = run
            if run.process == nil {
                // It ended while no agent lived. Its state at that time decides what the end means.
                processEnded(run, of: instance)
            } else {
                try resume(run, of: instance)
            }
        } catch {
            dependencies.logger.error(
                "cannot adopt a run",
                metadata: ["app": "\(instance.app)", "run": "\(runRecord.runID)", "error": "\(error)"])
            startFailed(instance, "the agent could not take over its earlier run: \(error)", permanent: false)
        }
    }

    private func resume(_ run: Run, of instance: ManagedInstance) throws {
        try watch(run, of: instance)
        if run.record.appPID == nil {
            run.record.appPID = run.process.flatMap { ProcFS.children(of: $0.value.pid).first }
        }
        feed(.adopted(ready: run.record.ready), to: instance)
        save(instance)
        report(instance, [event(.adopted, instance, "a new agent took over the running instance")])
        switch instance.machine.state {
        case .starting:
            run.timers[.startTimeout] = schedule(after: configuration.startTimeout) { supervisor in
                supervisor.startTimedOut(run, of: instance)
            }
            probe(run, of: instance)
        case .running: watchHealth(run, of: instance)
        default: break
        }
    }

    /// The run as it is now; nil when it belongs to another boot, or its cgroup is gone.
    private func adopt(_ record: RunRecord, of instance: ManagedInstance) throws -> Run? {
        if let process = record.process, process.bootID != ProcFS.bootID { return nil }
        // A cgroup made later under the same name has another inode.
        guard directory.exists(record.cgroup) else { return nil }
        let cgroup = try RunCgroup.existing(path: record.cgroup)
        guard cgroup.inode == record.cgroupInode else { return nil }
        let process = try findInit(of: record, in: cgroup)
        let out = try OwnedDescriptor.open(directory.stdout(ofRun: record.runID), O_RDONLY | O_NONBLOCK)
        let err = try OwnedDescriptor.open(directory.stderr(ofRun: record.runID), O_RDONLY | O_NONBLOCK)
        var record = record
        if record.process == nil { record.process = process.flatMap { ProcessIdentity.current(of: $0.value.pid) } }
        let run = Run(
            record: record, assignment: instance.assignment, process: process, cgroup: cgroup, stdout: Shared(out),
            stderr: Shared(err))
        if record.stopRequested { run.stopSignal = instance.assignment.spec.stopSignal }
        return run
    }

    /// Opens `paas-init` of a run. The identity is checked after the pidfd is open: from then on the number cannot
    /// come to mean another process.
    private func findInit(of record: RunRecord, in cgroup: RunCgroup) throws -> Shared<ProcessHandle>? {
        let members = try cgroup.processIDs()
        // The earlier agent may have died between the start and writing the pid down: paas-init is the oldest member.
        let oldest = members.compactMap { pid in ProcFS.startTicks(of: pid).map { (pid, $0) } }.min { $0.1 < $1.1 }?.0
        guard let pid = record.process?.pid ?? oldest, members.contains(pid) else { return nil }
        do {
            let handle = try ProcessHandle(opening: pid)
            if let expected = record.process, ProcessIdentity.current(of: pid) != expected { return nil }
            return Shared(handle)
        } catch {
            guard error.errno == ESRCH else { throw error }
            return nil
        }
    }

    /// Removes cgroups and directories of runs that no record names: they are below this agent's own root.
    private func removeLeftovers() throws {
        let known = Set(instances.values.compactMap { $0.run?.id })
        for path in try dependencies.cgroups.existingRuns() {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            if known.contains(name) { continue }
            dependencies.logger.notice("removing a run that nothing is known of", metadata: ["cgroup": "\(path)"])
            removeLeftover(path)
        }
        for runID in directory.runIDs where !known.contains(runID) { directory.removeRun(runID) }
    }

    private func removeLeftover(_ path: String) {
        do {
            let cgroup = try RunCgroup.existing(path: path)
            guard try cgroup.isPopulated() else { return try cgroup.remove() }
            let events = Shared(try cgroup.eventsDescriptor())
            let watch = LeftoverWatch(cgroup: cgroup, events: events)
            watch.registration = try register(events.value, for: .changed) { $0.leftoverChanged(watch) }
            try cgroup.kill()
        } catch {
            dependencies.logger.error("cannot remove a leftover cgroup", metadata: ["error": "\(error)"])
        }
    }

    private func leftoverChanged(_ watch: LeftoverWatch) {
        guard (try? watch.cgroup.isPopulated()) != true, let registration = watch.registration else { return }
        watch.registration = nil
        loop.cancel(registration)
        do {
            try watch.cgroup.remove()
        } catch {
            dependencies.logger.error("cannot remove a leftover cgroup", metadata: ["error": "\(error)"])
        }
    }

    // MARK: The agent's own end

    /// Makes everything that is known durable before the agent goes. Runs go on without it.
    public func prepareToLeave() {
        for instance in instances.values {
            if let run = instance.run { logWriter(ofApp: run.assignment.appID)?.flushPartials(at: .now) }
            save(instance)
        }
    }

    /// Returns once nothing runs any more, after ``restore(stopping:)``.
    ///
    /// - Parameter progress: called with the names of the instances that still run, whenever they change.
    public func waitUntilNothingRuns(progress: @Sendable ([String]) -> Void) async {
        while true {
            let alive = instances.values.filter { $0.run != nil }
            progress(alive.map { "\($0.app)/\($0.assignment.slot)" }.sorted())
            if alive.isEmpty { return }
            await withCheckedContinuation { endWaiters.append($0) }
        }
    }
}

/// A killed leftover that is not empty yet. `@unchecked Sendable` as ``Run`` is.
private final class LeftoverWatch: @unchecked Sendable {
    let cgroup: RunCgroup
    let events: Shared<OwnedDescriptor>
    var registration: EventLoop.Registration?

    init(cgroup: RunCgroup, events: Shared<OwnedDescriptor>) {
        self.cgroup = cgroup
        self.events = events
    }
}
