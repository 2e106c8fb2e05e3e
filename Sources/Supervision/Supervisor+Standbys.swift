// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel
internal import Sandbox

/// Standbys: the next runs of some instances, made while nothing waits for them; see ``Standby`` and decision 0055.
///
/// An instance's record names its standby before that may begin. From then on whoever reads the record can find out whether it
/// has; so an agent that dies at any moment is followed by one that goes on with that run, or starts one, and never both.
extension Supervisor {
    /// Between two that are made: nobody waits for them.
    private static let standbyPause = Duration.milliseconds(200)
    /// One that was restarted so long before another gives its standby up for it.
    private static let priorityAge = Duration.seconds(60)

    // MARK: Making

    /// The instance's run is up: it may get a standby. Whether it may is looked at when its turn comes; its machine may not have heard of
    /// it yet.
    func wantStandby(of instance: ManagedInstance) {
        guard configuration.standbys > 0, !hasLeft, !standbyQueue.contains(instance.id) else { return }
        standbyQueue.append(instance.id)
        makeStandbySoon()
    }

    private func makeStandbySoon() {
        guard standbyTimer == nil, !standbyQueue.isEmpty else { return }
        standbyTimer = schedule(after: Self.standbyPause) { supervisor in
            supervisor.standbyTimer = nil
            supervisor.makeNextStandby()
        }
    }

    private func makeNextStandby() {
        // Runs that somebody waits for come first.
        if launching.isEmpty, launchQueue.isEmpty, startQueue.isEmpty {
            while !standbyQueue.isEmpty {
                guard let instance = instances[standbyQueue.removeFirst()], mayHaveStandby(instance),
                    makeRoomForStandby(of: instance)
                else { continue }
                makeStandby(of: instance)
                break
            }
        }
        makeStandbySoon()
    }

    private func mayHaveStandby(_ instance: ManagedInstance) -> Bool {
        let spec = instance.assignment.spec
        guard !hasLeft, configuration.standbys > 0, instance.standby == nil, instance.machine.state == .running,
            instance.machine.goal == .running, spec.restart != .never, let run = instance.run, !run.isEnding
        else { return false }
        // A tool beside each run carries what goes out, and costs as much as a run.
        guard run.record.network != .egress, run.record.port == ports.port(of: instance.id) else { return false }
        // The port is held for this kind of network, of the run that has it now.
        guard (try? dependencies.planner.network(of: spec)) == (run.record.network ?? .host) else { return false }
        return hasPlainData(instance) && directory.exists(appDirectory(of: instance.assignment))
    }

    /// Its `/data` is a directory and stays one: an image is not to be mounted for longer than its runs live, and while one is made
    /// of the directory nothing may write there.
    private func hasPlainData(_ instance: ManagedInstance) -> Bool {
        let assignment = instance.assignment
        guard assignment.spec.limits.diskBytes == nil, diskTurns[assignment.appID] == nil else { return false }
        do { return try directory.diskSize(ofApp: assignment.appID) == nil } catch { return false }
    }

    /// Where there are as many as there may be, those go that are least likely to be needed: of instances that have not been
    /// restarted for long.
    private func makeRoomForStandby(of instance: ManagedInstance) -> Bool {
        let holders = instances.values.filter { $0.standby != nil }
        if holders.count < configuration.standbys { return true }
        func rank(_ instance: ManagedInstance) -> MonotonicInstant {
            instance.lastRestart ?? MonotonicInstant(nanoseconds: .min)
        }
        guard instance.lastRestart != nil, let least = holders.min(by: { rank($0) < rank($1) }),
            least.lastRestart == nil || rank(least).duration(to: rank(instance)) >= Self.priorityAge
        else { return false }
        discardStandby(of: least)
        return true
    }

    private func makeStandby(of instance: ManagedInstance) {
        do {
            let spawned = try spawnInit(
                of: instance, appDirectory: appDirectory(of: instance.assignment), waits: true)
            guard let wait = spawned.wait else { preconditionFailure("a run that was to wait does not") }
            let standby = Standby(spawned.run, go: wait.go, shown: wait.shown)
            instance.standby = standby
            do {
                // Only what is on disk may begin.
                try directory.save(instance.record, to: &instance.recordFile)
                if let process = spawned.run.process {
                    standby.registration = try register(process.value.pidfd, for: .readable) {
                        $0.standbyEnded(standby, of: instance)
                    }
                }
            } catch {
                discardStandby(of: instance)
                throw error
            }
        } catch {
            dependencies.logger.debug(
                "cannot prepare the next run of an app", metadata: ["app": "\(instance.app)", "error": "\(error)"])
        }
        _ = schedule(after: .zero) { $0.prepareRuns() }
    }

    // MARK: Giving up

    /// A standby is of use only to an instance that is to run, and to start again by itself.
    func mayKeepStandby(_ instance: ManagedInstance) -> Bool {
        instance.machine.goal == .running
            && [.starting, .running, .stopping, .restarting].contains(instance.machine.state)
    }

    /// The next run will be made when it is needed.
    func discardStandby(of instance: ManagedInstance) {
        guard let standby = instance.standby, !hasLeft else { return }
        instance.standby = nil
        unwatch(standby)
        if standby.hasBegun, instance.machine.goal != .removed {
            stopUnseen(standby.run)
        } else {
            layToRest(standby.run)
        }
        offerPlaceOfStandby(of: instance)
    }

    /// It had begun already, for an agent that died then, and the first thing that this one hears is that it is to stop. It gets its
    /// signal and its grace like any other.
    private func stopUnseen(_ run: Run) {
        remains[run.id] = run
        do {
            if let process = run.process {
                run.registrations.append(
                    try register(process.value.pidfd, for: .readable) { $0.removeRemains(of: run) })
                run.registrations.append(
                    try register(run.ended.value, for: .readable) { $0.layToRest(run) })
                try process.value.send(signal: SignalName.number(of: run.assignment.spec.stopSignal))
            }
            run.timers[.grace] = schedule(after: .seconds(run.assignment.spec.stopGraceSeconds)) { $0.layToRest(run) }
        } catch {
            layToRest(run)
        }
    }

    /// Others could have none, because there were as many as there may be.
    private func offerPlaceOfStandby(of instance: ManagedInstance) {
        guard instances.values.count(where: { $0.standby != nil }) == configuration.standbys - 1 else { return }
        for other in instances.values where other !== instance && mayHaveStandby(other) { wantStandby(of: other) }
    }

    /// What the instance is has changed, and so has what its next run is.
    func remakeStandby(of instance: ManagedInstance) {
        // It is the present run by now; the next one will be as the instance is then.
        guard !instance.nextHasBegun else { return }
        discardStandby(of: instance)
        wantStandby(of: instance)
    }

    /// Somebody has killed it, or it could not be made. No other one before the next run: it might end likewise at once.
    private func standbyEnded(_ standby: Standby, of instance: ManagedInstance) {
        guard instance.standby === standby else { return }
        var reason = "it was ended"
        if let bytes = standby.run.startFailureReader?.value.allBytes(limit: StartFailure.byteCount),
            let failure = try? StartFailure(bytes: bytes)
        {
            reason = failure.description
        }
        dependencies.logger.debug(
            "the prepared next run of an app is gone", metadata: ["app": "\(instance.app)", "reason": "\(reason)"])
        discardStandby(of: instance)
    }

    private func unwatch(_ standby: Standby) {
        if let registration = standby.registration { loop.cancel(registration) }
        standby.registration = nil
    }

    /// Another agent looks after the apps from now on. Without their FIFOs they end by themselves.
    func leaveStandbys() {
        standbyQueue.removeAll()
        if let standbyTimer { loop.cancel(standbyTimer) }
        for instance in instances.values {
            if let standby = instance.standby { unwatch(standby) }
            instance.standby = nil
        }
    }

    // MARK: Beginning

    /// The app has ended, and everything that it had started: lets the next run begin before anything else is done about the end,
    /// if it would be started at once.
    ///
    /// - Returns: the next run has begun. The instance has to be led there without anything coming between.
    func beginStandby(after run: Run, of instance: ManagedInstance) -> Bool {
        if instance.nextHasBegun { return true }
        guard let standby = instance.standby, let record = exitRecord(of: run), run.startFailure == nil, isAlone(run)
        else {
            return false
        }
        let code: Int?
        switch record.outcome {
        case .exited(let number): code = Int(number)
        case .signaled: code = nil
        case .notStarted: return false
        }
        let ending = ending(of: run, instance, code: code, uptimeMs: Int64(record.uptime.inSeconds * 1000))
        guard let restart = instance.machine.restart(after: ending),
            pauseLength(of: instance, failures: restart.failures, wasReady: restart.wasReady) == .zero
        else { return false }
        return begin(standby, of: instance)
    }

    /// Nothing of the run lives but `paas-init`. In a pid namespace that has ended its own children before it told, but a command that
    /// somebody has joined to the run is not among those.
    private func isAlone(_ run: Run) -> Bool {
        guard let pid = run.process?.value.pid, let members = try? run.cgroup.processIDs() else { return false }
        return members == [pid]
    }

    /// Where it cannot begin any more it is given up, and the next run is made as the first was.
    private func begin(_ standby: Standby, of instance: ManagedInstance) -> Bool {
        do throws(SystemError) {
            if isPortTaken(standby.run) {
                ports.release(owner: instance.id)
            } else if standby.isFit, hasPlainData(instance) {
                try standby.begin()
                return true
            }
        } catch {
            dependencies.logger.debug("cannot begin a prepared run", metadata: ["error": "\(error)"])
        }
        discardStandby(of: instance)
        return false
    }

    /// On the host's network somebody else may have taken the port since the app ended.
    private func isPortTaken(_ run: Run) -> Bool {
        !run.hasOwnNetwork && TCPSockets.listening(ofProcess: getpid()).contains(port: run.record.port)
    }

    /// Makes the standby of an instance its run.
    ///
    /// - Returns: false when it has none, or none that could begin.
    func startStandby(of instance: ManagedInstance) -> Bool {
        guard let standby = instance.standby, standby.hasBegun || begin(standby, of: instance) else { return false }
        unwatch(standby)
        let run = standby.run
        instance.standby = nil
        instance.denials.beginRun()
        instance.run = run
        instance.reason = "waiting for the process to start"
        save(instance)
        do {
            if run.process == nil {
                processEnded(run, of: instance)
            } else if run.isAdopted {
                try resume(run, of: instance)
            } else {
                openNetwork(of: run)
                try watch(run, of: instance)
                watchStart(of: run, instance)
            }
        } catch {
            // Nobody would see its end, so it must not live.
            abandon(run, of: instance)
            startFailed(instance, "\(error)", permanent: false)
        }
        return true
    }

    /// The standby that a record names, if the agent that wrote it has let it begin.
    func begunStandby(_ record: RunRecord?, of instance: ManagedInstance) -> Standby? {
        guard var record, record.isOfThisBoot else { return nil }
        do {
            guard try hasBegun(&record) else { return nil }
            preparedCaptures[record.runID] = makeCapture(of: instance.assignment, runID: record.runID)
            return try adopt(record, of: instance).map(Standby.init(begun:))
        } catch {
            dependencies.logger.error(
                "cannot take over a run that has just begun; it is ended",
                metadata: ["app": "\(instance.app)", "run": "\(record.runID)", "error": "\(error)"])
            return nil
        }
    }

    private func hasBegun(_ record: inout RunRecord) throws(SystemError) -> Bool {
        if let message = try goMessage(ofRun: record.runID) {
            record.began(message)
            return true
        }
        // The FIFO is empty once paas-init has gone; what it wrote down is not.
        switch ProcFS.bytes(of: directory.exitRecord(ofRun: record.runID)).flatMap(ExitRecord.init)?.outcome {
        case nil: return false
        case .notStarted(let stage, _): return stage == .exec
        case .exited, .signaled: return true
        }
    }

    /// - Throws: `SystemError` when it cannot be told whether there is one.
    private func goMessage(ofRun runID: String) throws(SystemError) -> GoMessage? {
        let fifo: OwnedDescriptor
        do {
            fifo = try OwnedDescriptor.open(directory.go(ofRun: runID), O_RDONLY | O_NONBLOCK)
        } catch {
            guard error.errno == ENOENT else { throw error }
            return nil
        }
        return GoMessage(bytes: try captureTools.peek.bytes(of: fifo, upTo: GoMessage.byteCount))
    }
}
