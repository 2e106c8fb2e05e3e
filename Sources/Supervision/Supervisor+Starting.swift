// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel
internal import Sandbox

extension Supervisor {
    /// Starts a run: first brings the bundle, and makes the image of `/data`, where there is need to.
    func start(_ instance: ManagedInstance) {
        guard !hasLeft else { return }
        instance.endedUnseen = false
        instance.startNumber += 1
        if startStandby(of: instance) { return }
        let assignment = instance.assignment
        let path = appDirectory(of: assignment)
        let isComplete = directory.exists(path)
        if isComplete, !needsDiskTurn(assignment) { return launch(instance, appDirectory: path) }
        let number = instance.startNumber
        Task {
            // A stop may come in meanwhile, and even another start.
            func isWanted() -> Bool { instance.startNumber == number && instance.machine.state == .starting }
            guard isWanted() else { return }
            do {
                if !isComplete, let bundle = assignment.spec.bundle {
                    instance.reason = "getting the bundle \(bundle.prefix(12))"
                    try await unpack(bundle, into: path, ofApp: assignment.appID)
                }
                guard isWanted() else { return }
                guard needsDiskTurn(assignment) else { return launch(instance, appDirectory: path) }
                instance.reason = "preparing /data"
                await takeDiskTurn(ofApp: assignment.appID)
                defer { endDiskTurn(ofApp: assignment.appID) }
                guard isWanted() else { return }
                if let note = try await prepareDisk(of: assignment) { systemLine(note, of: instance) }
                guard isWanted() else { return }
                launch(instance, appDirectory: path)
            } catch let error as SupervisionError {
                if isWanted() { startFailed(instance, error.message, permanent: error.isPermanent) }
            } catch let error as SandboxError {
                if isWanted() { startFailed(instance, error.message, permanent: true) }
            } catch {
                if isWanted() { startFailed(instance, "\(error)", permanent: false) }
            }
        }
    }

    /// Where the release's bundle lies, or will lie.
    func appDirectory(of assignment: Assignment) -> String {
        assignment.spec.bundle.map { directory.bundle($0, ofApp: assignment.appID) } ?? directory.empty
    }

    /// Unpacks a bundle once, however many instances wait for it.
    func unpack(_ bundle: String, into path: String, ofApp appID: String) async throws {
        if let running = unpacking[path] { return try await running.value }
        let userID = try users.userID(ofApp: appID)
        try directory.prepareBundles(ofApp: appID, userID: userID)
        let bundles = dependencies.bundles
        let task = Task {
            do {
                try await bundles.unpack(bundle: bundle, into: path, userID: userID)
            } catch {
                throw SupervisionError("the bundle cannot be had: \(error)", isPermanent: false)
            }
        }
        unpacking[path] = task
        defer { unpacking[path] = nil }
        try await task.value
    }

    /// Removes the bundles of an app that none of its instances uses any more.
    func removeUnusedBundles(ofApp appID: String) {
        // Once another agent has taken over this one does not know what is used.
        guard !hasLeft else { return }
        let used = Set(
            instances.values.filter { $0.assignment.appID == appID }.compactMap(\.assignment.spec.bundle)
        ).union(sessions.values.filter { $0.appID == appID }.compactMap(\.bundle))
        directory.removeBundles(ofApp: appID) { name in
            let bundle = String(name.prefix(64))
            guard unpacking[directory.bundle(bundle, ofApp: appID)] == nil else { return false }
            // With something behind the bundle's name it is left of an unpacking or a removal that an agent's end cut short.
            return name != bundle || !used.contains(bundle)
        }
    }

    /// Spawns a run, or puts it behind those that are being spawned.
    func launch(_ instance: ManagedInstance, appDirectory: String) {
        // A bundle may come after another agent has taken over.
        guard !hasLeft else { return }
        guard mayLaunch else { return launchLater(instance, appDirectory: appDirectory) }
        do {
            try spawn(instance, appDirectory: appDirectory)
            launchHasBegun(of: instance)
        } catch let error as SupervisionError {
            startFailed(instance, error.message, permanent: error.isPermanent)
        } catch let error as SandboxError {
            startFailed(instance, error.message, permanent: true)
        } catch let error as CgroupError {
            startFailed(instance, "\(error)", permanent: error.code == .controllerMissing)
        } catch let error as SystemError {
            startFailed(instance, "\(error)", permanent: false)
        } catch {
            startFailed(instance, "\(error)", permanent: false)
        }
    }

    /// Ends a start that did not come to a process.
    func startFailed(_ instance: ManagedInstance, _ why: String, permanent: Bool) {
        var report = ExitReport(startFailure: why, at: .now)
        report.reason = "could not be started: \(why)"
        instance.lastExit = report
        systemLine(report.reason, of: instance)
        feed(.ended(InstanceMachine.Ending(permanent: permanent)), to: instance, note: report.reason)
    }

    private func spawn(_ instance: ManagedInstance, appDirectory: String) throws {
        let spawned = try spawnInit(of: instance, appDirectory: appDirectory, waits: false)
        let run = spawned.run
        instance.run = run
        instance.reason = "waiting for the process to start"
        save(instance)
        openNetwork(of: run)
        do {
            try watch(run, of: instance)
        } catch {
            // Nobody would see its end, so it must not live.
            abandon(run, of: instance)
            throw error
        }
        if let egress = spawned.egress { startEgress(of: run, link: egress.value.second) }
        watchStart(of: run, instance)
    }

    /// From now on the run has so long to become ready.
    func watchStart(of run: Run, _ instance: ManagedInstance) {
        run.timers[.startTimeout] = schedule(after: lifecycle(of: instance).startTimeout) { supervisor in
            supervisor.startTimedOut(run, of: instance)
        }
    }

    /// A `paas-init` that was just started, with its end of what the two talk by.
    struct SpawnedInit {
        let run: Run
        /// Of the network mode `egress`, the second end for the tool.
        let egress: Shared<SocketPair>?
        /// Of a run that waits: both ends of the FIFO, and what it shows of the host.
        let wait: (go: Shared<OwnedDescriptor>, shown: ShownFiles)?
    }

    /// Starts `paas-init` for an instance, in the cgroup and with the directory of a new run.
    ///
    /// - Parameter waits: the run is one that the instance does not have yet, see ``Standby``; otherwise it is written down first.
    func spawnInit(of instance: ManagedInstance, appDirectory: String, waits: Bool) throws -> SpawnedInit {
        let assignment = instance.assignment
        let network = try dependencies.planner.network(of: assignment.spec)
        let port = try takePort(for: instance, network: network)
        let userID = try users.userID(ofApp: assignment.appID)
        try directory.prepareData(ofApp: assignment.appID, userID: userID)
        var plan = try dependencies.planner.plan(
            assignment: assignment, port: Int(port), userID: userID,
            directories: try directories(of: assignment, app: appDirectory))
        plan.lingers = true
        plan.waits = waits
        let shown = waits ? ShownFiles(plan) : nil
        plan.denialPause = plan.systemCallFilter == nil ? nil : configuration.denialPause

        let runID = Self.makeRunID()
        var undo = StartUndo(directory: directory, runID: runID)
        let listener = try makeRunDirectory(runID, userID: userID)
        let cgroup = try dependencies.cgroups.makeRun(
            app: assignment.app.rawValue, run: runID, limits: CgroupLimits(assignment.spec.limits))
        undo.cgroup = cgroup

        var record = RunRecord(
            runID: runID, cgroup: cgroup.path, cgroupInode: cgroup.inode, process: nil, appPID: nil, port: port,
            network: network, startedAt: .now, startedMonotonic: MonotonicInstant.now.nanoseconds, ready: false,
            stopRequested: false, bootID: ProcFS.bootID)
        // On disk before the process exists: an agent that dies in between is followed by one that looks into the
        // cgroup for it. One that waits does not outlive the agent.
        if !waits {
            instance.denials.beginRun()
            try saveStart(of: record, for: instance)
        }

        let outReader = try OwnedDescriptor.open(directory.stdout(ofRun: runID), O_RDONLY | O_NONBLOCK)
        let errReader = try OwnedDescriptor.open(directory.stderr(ofRun: runID), O_RDONLY | O_NONBLOCK)
        let outWriter = try OwnedDescriptor.open(directory.stdout(ofRun: runID), O_RDWR)
        let errWriter = try OwnedDescriptor.open(directory.stderr(ofRun: runID), O_RDWR)
        let endedReader = try OwnedDescriptor.open(directory.ended(ofRun: runID), O_RDONLY | O_NONBLOCK)
        let endedWriter = try OwnedDescriptor.open(directory.ended(ofRun: runID), O_RDWR)
        let denialsReader = try OwnedDescriptor.open(directory.denials(ofRun: runID), O_RDONLY | O_NONBLOCK)
        let denialsWriter = try OwnedDescriptor.open(directory.denials(ofRun: runID), O_RDWR | O_NONBLOCK)
        let exitRecord = try OwnedDescriptor.open(directory.exitRecord(ofRun: runID), O_WRONLY | O_CREAT)
        // Only paas-init keeps it: it is there for this agent and for the next.
        let connector = network == .host ? nil : listener
        let egress = network == .egress ? Shared(try SocketPair()) : nil
        let go = try waits ? makeGo(ofRun: runID) : nil
        let started = try InitStart(
            path: configuration.initPath, plan: plan,
            descriptors: InitStart.Descriptors(
                stdout: outWriter.rawValue, stderr: errWriter.rawValue, exitRecord: exitRecord.rawValue,
                connector: connector?.value.descriptor.rawValue, egress: egress?.value.first.rawValue,
                ended: endedWriter.rawValue, denials: denialsWriter.rawValue, go: go?.reader.value.rawValue),
            cgroup: cgroup.descriptor)
        undo.disarm()

        record.process = ProcessIdentity.current(of: started.process.value.pid)
        let run = Run(
            record: record, assignment: assignment, process: started.process, cgroup: cgroup,
            stdout: Shared(outReader), stderr: Shared(errReader), ended: Shared(endedReader),
            denials: Shared(denialsReader), capture: makeCapture(of: assignment, runID: runID),
            startFailureReader: started.failure)
        return SpawnedInit(run: run, egress: egress, wait: go.flatMap { go in shown.map { (go.both, $0) } })
    }

    /// The FIFO that a run waits at: the end for `paas-init`, and another for the agent. That one reads as well, so that writing
    /// to one that nobody has any more is no error.
    private func makeGo(
        ofRun runID: String
    ) throws(SystemError) -> (reader: Shared<OwnedDescriptor>, both: Shared<OwnedDescriptor>) {
        let path = directory.go(ofRun: runID)
        guard mkfifo(path, 0o600) == 0 else { throw SystemError(operation: "mkfifo", path: path, errno: errno) }
        let reader = Shared(try OwnedDescriptor.open(path, O_RDONLY | O_NONBLOCK))
        return (reader, Shared(try OwnedDescriptor.open(path, O_RDWR | O_NONBLOCK)))
    }

    private func saveStart(of record: RunRecord, for instance: ManagedInstance) throws {
        var whole = instance.record
        whole.run = record
        try directory.save(whole, to: &instance.recordFile)
    }

    static func makeRunID() -> String {
        "r-" + String(Timestamp.now.microseconds, radix: 36) + String(UInt16.random(in: .min ... .max), radix: 36)
    }

    // MARK: Watching

    /// Registers everything of a run that the loop waits for. The same for a spawned and an adopted run.
    func watch(_ run: Run, of instance: ManagedInstance) throws {
        try watchMemoryLimit(run, of: instance)
        if let process = run.process {
            run.registrations.append(
                try register(process.value.pidfd, for: .readable) { $0.processEnded(run, of: instance) })
        }
        applyLogRules(of: instance)
        try watchOutput(of: run, instance)
        run.endedRegistration = try register(run.ended.value, for: .readable) { $0.appEnded(run, of: instance) }
        try watchDenials(of: run, instance)
        if let reader = run.startFailureReader {
            run.startFailureRegistration = try register(reader.value, for: .readable) {
                $0.readStartFailure(of: run, instance: instance)
            }
        }
    }

    /// Takes everything of a run out of the loop, but its timers.
    func unwatch(_ run: Run) {
        for registration in run.registrations { loop.cancel(registration) }
        run.registrations.removeAll()
        unwatchOutput(of: run)
        unwatchDenials(of: run)
        for registration in [run.endedRegistration, run.startFailureRegistration].compactMap({ $0 }) {
            loop.cancel(registration)
        }
        run.endedRegistration = nil
        run.startFailureRegistration = nil
        stopWatchingMemory(run)
    }

    /// The pipe closed: the app runs. Or `paas-init` told why it does not; its own end follows.
    func readStartFailure(of run: Run, instance: ManagedInstance) {
        guard let reader = run.startFailureReader else { return }
        var message = [UInt8](repeating: 0, count: StartFailure.byteCount)
        guard let count = (try? message.withUnsafeMutableBytes { try reader.value.read(into: $0) }) ?? nil else {
            return
        }
        if let registration = run.startFailureRegistration { loop.cancel(registration) }
        run.startFailureRegistration = nil
        run.startFailureReader = nil
        if count == 0 { return appStarted(run, of: instance) }
        do {
            let failure = try StartFailure(bytes: Array(message[..<count]))
            run.startFailure = failure.description
            if failure.stage == .egress { run.startFailure? += run.egressFailure ?? egressLastWords(ofRun: run.id) }
            run.startFailureIsPermanent = failure.isPermanent
        } catch {
            run.startFailure = "\(error)"
            run.startFailureIsPermanent = false
        }
    }

    private func appStarted(_ run: Run, of instance: ManagedInstance) {
        launchIsOver(of: instance)
        _ = schedule(after: .zero) { $0.prepareRuns() }
        watchEgress(of: run, instance)
        run.record.appPID = run.process.flatMap { ProcFS.children(of: $0.value.pid).first }
        exemptFromOutOfMemoryKills(run)
        instance.reason = "waiting for PORT \(run.record.port) to be listened on by \(instance.assignment.slot)"
        let pid = run.record.appPID.map { ", pid \($0)" } ?? ""
        systemLine("started \(run.assignment.release)\(pid), PORT \(run.record.port)", of: instance)
        report(instance)
        probe(run, of: instance)
    }
}

extension Supervisor {
    /// `paas-init` shall outlive its app when that runs out of memory: it knows how the app ended. It is our child and not
    /// waited for, so the number is its own. Without CAP_SYS_RESOURCE it stays as it is, and its end is all there is.
    private func exemptFromOutOfMemoryKills(_ run: Run) {
        guard let pid = run.process?.value.pid else { return }
        do {
            try ProcFS.setOutOfMemoryScoreAdjustment(of: pid, to: -1_000)
        } catch {
            dependencies.logger.debug("paas-init is not exempt from OOM kills", metadata: ["error": "\(error)"])
        }
    }
}

/// Takes back what a failed start has made. Works at the end of its scope unless disarmed.
private struct StartUndo: ~Copyable {
    private let directory: StateDirectory
    private let runID: String
    private var armed = true
    var cgroup: RunCgroup?

    init(directory: StateDirectory, runID: String) {
        self.directory = directory
        self.runID = runID
    }

    mutating func disarm() { armed = false }

    deinit {
        guard armed else { return }
        try? cgroup?.remove()
        _ = directory.removeRun(runID)
    }
}
