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
    /// - Parameter stopping: only to stop what lives: nothing is started, and what should run is `stopped` until the next
    ///   agent.
    /// - Throws: an error of a record that cannot be read, or of the cgroup file system.
    public func restore(stopping: Bool = false) throws {
        let (records, damaged) = try directory.loadInstances()
        for path in damaged {
            dependencies.logger.error(
                "a damaged record was moved away; if its app still runs, it is ended and started again",
                metadata: ["path": "\(path)"])
        }
        // All of them before the first start, which could otherwise get the port of a run that is adopted later.
        for record in records {
            if let run = record.run ?? record.standby {
                reservePort(of: run, instanceID: record.assignment.instanceID)
            }
        }
        // Before any log is opened: what an earlier agent had half written is taken back first.
        for record in records {
            if let run = record.run { prepareCapture(of: run, record.assignment) }
        }
        isRestoring = true
        // Those first that served.
        let served = records.filter { ($0.interrupted ?? $0.state) == .running }
        for record in served + records.filter({ ($0.interrupted ?? $0.state) != .running }) {
            restore(stopping ? record.interrupting() : record.resuming())
        }
        isRestoring = false
        preparedCaptures.removeAll()
        // The router knows nothing yet, and the earlier agent may have died in the middle of a change.
        for instance in instances.values {
            report(instance)
            publishRoute(ofApp: instance.app)
        }
        // Of stopped apps too: their lines get old as well.
        for instance in instances.values { applyLogRules(of: instance) }
        for appID in Set(instances.values.map(\.assignment.appID)) { tellDenials(ofApp: appID) }
        try removeLeftovers(standbys: Set(records.compactMap { $0.standby?.runID }))
        try watchClock()
        startNext()
    }

    private func prepareCapture(of run: RunRecord, _ assignment: Assignment) {
        // After a reboot the FIFOs are empty, and everything that is in the log stays there.
        guard run.isOfThisBoot, directory.exists(directory.run(run.runID)) else { return }
        let capture = makeCapture(of: assignment, runID: run.runID)
        do {
            try capture.undoInterruptedWrite(in: dependencies.logs, appID: assignment.appID)
        } catch {
            dependencies.logger.error("cannot repair an app's log", metadata: ["error": "\(error)"])
        }
        preparedCaptures[run.runID] = capture
    }

    private func restore(_ record: InstanceRecord) {
        let machine = InstanceMachine(
            policy: record.assignment.spec.restart, goal: record.goal, state: record.state,
            restarts: record.restarts, failures: record.failures, endIsRequested: record.run?.stopRequested ?? false)
        let instance = ManagedInstance(
            assignment: record.assignment, machine: machine, since: .now,
            recordFile: directory.recordFile(of: record.assignment.instanceID))
        instance.everReady = record.everReady
        instance.lastExit = record.lastExit
        instance.interrupted = record.interrupted
        instance.denials = record.denials ?? DenialTally()
        // Perhaps the earlier agent wrote it down and did not come to handing it in. If it did, it counts once.
        if let report = record.lastReport { handIn(report) }
        // That was its last one, and nothing of it runs: only the forgetting was not done.
        guard record.state != .removed else { return directory.removeInstance(instance.id) }
        instances[instance.id] = instance
        instance.standby = begunStandby(record.standby, of: instance)
        guard let runRecord = record.run else { return feed(.foundNothing, to: instance) }
        if !runRecord.isOfThisBoot {
            report(instance, [event(.exited, instance, "ended with the machine, which was started anew")])
        }

        do {
            guard let run = try adopt(runRecord, of: instance) else {
                removeDirectory(ofRun: runRecord.runID)
                return feed(.foundNothing, to: instance)
            }
            instance.run = run
            instance.endedUnseen = run.process == nil || exitRecord(of: run) != nil
            if run.process == nil {
                // Its state at that time decides what the end means.
                processEnded(run, of: instance)
            } else {
                try resume(run, of: instance)
            }
        } catch {
            dependencies.logger.error(
                "cannot adopt a run",
                metadata: ["app": "\(instance.app)", "run": "\(runRecord.runID)", "error": "\(error)"])
            // It may live, and nobody would see its end.
            if let run = instance.run { abandon(run, of: instance) }
            startFailed(instance, "the agent could not take over its earlier run: \(error)", permanent: false)
        }
    }

    func resume(_ run: Run, of instance: ManagedInstance) throws {
        // The earlier agent may have died while it looked at a hung app.
        try run.cgroup.thaw()
        try watch(run, of: instance)
        // The app has ended and paas-init waits for its reader: not a running app that gets requests again.
        if exitRecord(of: run) != nil { return appEnded(run, of: instance) }
        openNetwork(of: run)
        watchEgress(of: run, instance)
        // Begins the time of a partial line anew.
        for stream in [LogLine.Stream.stdout, .stderr] { capture(run, stream, of: instance) }
        if run.record.appPID == nil {
            run.record.appPID = run.process.flatMap { ProcFS.children(of: $0.value.pid).first }
        }
        feed(.adopted(ready: run.record.ready), to: instance)
        save(instance)
        report(instance, [event(.adopted, instance, "a new agent took over the running instance")])
        switch instance.machine.state {
        case .starting:
            watchStart(of: run, instance)
            probe(run, of: instance)
        case .running:
            watchHealth(run, of: instance)
            wantStandby(of: instance)
        default: break
        }
    }

    /// The run as it is now; nil when it belongs to another boot, or its cgroup is gone.
    func adopt(_ record: RunRecord, of instance: ManagedInstance) throws -> Run? {
        // A cgroup made later under the same name has another inode.
        guard let capture = preparedCaptures[record.runID], directory.exists(record.cgroup) else { return nil }
        let cgroup = try RunCgroup.existing(path: record.cgroup)
        guard cgroup.inode == record.cgroupInode else { return nil }
        let process = try findInit(of: record, in: cgroup)
        // Written down, and then the earlier agent did not come to starting it: no run that could have ended.
        let exit = ProcFS.bytes(of: directory.exitRecord(ofRun: record.runID)) ?? []
        if record.process == nil, process == nil, exit.isEmpty { return nil }
        let out = try OwnedDescriptor.open(directory.stdout(ofRun: record.runID), O_RDONLY | O_NONBLOCK)
        let err = try OwnedDescriptor.open(directory.stderr(ofRun: record.runID), O_RDONLY | O_NONBLOCK)
        let ended = try OwnedDescriptor.open(directory.ended(ofRun: record.runID), O_RDONLY | O_NONBLOCK)
        // Not there in a run of an agent that knew nothing of it.
        let denials =
            try directory.exists(directory.denials(ofRun: record.runID))
            ? Shared(OwnedDescriptor.open(directory.denials(ofRun: record.runID), O_RDONLY | O_NONBLOCK)) : nil
        var record = record
        if record.process == nil { record.process = process.flatMap { ProcessIdentity.current(of: $0.value.pid) } }
        let run = Run(
            record: record, assignment: instance.assignment, process: process, cgroup: cgroup, stdout: Shared(out),
            stderr: Shared(err), ended: Shared(ended), denials: denials, capture: capture, isAdopted: true)
        if let writer = logWriter(of: instance.assignment) {
            try capture.resume(stdout: run.stdout.value, stderr: run.stderr.value, into: writer)
        }
        if record.stopRequested { run.stopSignal = instance.assignment.spec.stopSignal }
        run.graceExpired = record.graceExpired ?? false
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
    ///
    /// - Parameter standbys: those that records name, but not as runs.
    private func removeLeftovers(standbys: Set<String>) throws {
        let known = Set(instances.values.flatMap { [$0.run?.id, $0.standby?.run.id].compactMap { $0 } })
            .union(remains.keys)
        for path in try dependencies.cgroups.existingRuns() {
            let name = path.split(separator: "/").last.map(String.init) ?? path
            if known.contains(name) { continue }
            if !standbys.contains(name) {
                dependencies.logger.notice("removing a run that nothing is known of", metadata: ["cgroup": "\(path)"])
            }
            removeLeftover(path)
        }
        try dependencies.cgroups.removeEmptySlices()
        for runID in directory.runIDs where !known.contains(runID) { removeDirectory(ofRun: runID) }
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
            save(instance)
        }
    }

    /// Leaves the apps to another agent: this one looks after nothing and writes nothing any more.
    public func leave() {
        guard !hasLeft else { return }
        prepareToLeave()
        hasLeft = true
        dependencies.logs.close()
        for instance in instances.values {
            cancelPause(instance)
            guard let run = instance.run else { continue }
            unwatch(run)
            for timer in run.timers.values { loop.cancel(timer) }
            run.timers.removeAll()
        }
        if let stateRetry { loop.cancel(stateRetry) }
        startQueue.removeAll()
        for timer in queuedStarts.values { loop.cancel(timer) }
        queuedStarts.removeAll()
        launchQueue.removeAll()
        for timer in launching.values { loop.cancel(timer) }
        launching.removeAll()
        // The next agent removes their directories.
        preparedRuns.removeAll()
        leaveStandbys()
        for run in remains.values {
            unwatch(run)
            for timer in run.timers.values { loop.cancel(timer) }
        }
        remains.removeAll()
        dependencies.outbox.close()
    }

    /// Returns once nothing runs any more, after ``restore(stopping:)``.
    ///
    /// - Parameter progress: called with the names of the instances that still run, whenever they change.
    public func waitUntilNothingRuns(progress: @Sendable ([String]) -> Void) async {
        while true {
            let alive = instances.values.filter { $0.run != nil }
            progress(alive.map { "\($0.app)/\($0.assignment.slot)" }.sorted())
            if alive.isEmpty, remains.isEmpty { return }
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
