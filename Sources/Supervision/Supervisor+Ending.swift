// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel
internal import Sandbox

extension Supervisor {
    /// How often the figures of a run are asked for before it is reported without them.
    private static let stepsBeforeGivingUp = 12
    /// How long `paas-init` may take to kill its app.
    private static let killLimit = Duration.seconds(2)

    // MARK: Asking for the end

    func drain(_ instance: ManagedInstance) {
        guard let run = instance.run else { return signalStop(instance) }
        Task {
            await dependencies.routes.drain(instanceID: instance.id, limit: lifecycle(of: instance).drain)
            guard instance.run === run else { return }
            feed(.drained, to: instance)
        }
    }

    func signalStop(_ instance: ManagedInstance) {
        guard let run = instance.run else {
            // Nothing was spawned yet: the start was still getting its bundle.
            instance.startNumber += 1
            return feed(.ended(InstanceMachine.Ending()), to: instance)
        }
        let spec = run.assignment.spec
        run.stopSignal = spec.stopSignal
        run.record.stopRequested = instance.machine.endIsRequested
        save(instance)
        systemLine("stopping with \(spec.stopSignal.rawValue)", of: instance)
        do {
            try run.process?.value.send(signal: SignalName.number(of: spec.stopSignal))
        } catch {
            dependencies.logger.error("cannot send the stop signal", metadata: ["error": "\(error)"])
            return kill(instance)
        }
        run.timers[.grace] = schedule(after: .seconds(spec.stopGraceSeconds)) { supervisor in
            guard instance.run === run else { return }
            run.graceExpired = true
            run.record.graceExpired = true
            supervisor.feed(.graceOver, to: instance)
        }
    }

    /// Kills the app by way of `paas-init`, which then tells how it ended. When nothing comes of that, everything.
    func kill(_ instance: ManagedInstance) {
        guard let run = instance.run, !run.isEnding, run.timers[.kill] == nil else { return }
        do {
            // A frozen paas-init could not do it.
            try run.cgroup.thaw()
            try run.process?.value.send(signal: RunPlan.killSignal)
        } catch {
            dependencies.logger.error("cannot kill an app", metadata: ["run": "\(run.id)", "error": "\(error)"])
            return killAll(of: run)
        }
        run.timers[.kill] = schedule(after: Self.killLimit) { $0.killAll(of: run) }
    }

    /// Kills everything in a run's cgroup, `paas-init` too.
    private func killAll(of run: Run) {
        do {
            try run.cgroup.kill()
        } catch {
            dependencies.logger.error(
                "cannot kill a cgroup", metadata: ["path": "\(run.cgroup.path)", "error": "\(error)"])
            _ = try? run.process?.value.send(signal: SIGKILL)
        }
    }

    // MARK: The end

    /// The app has ended, and `paas-init` lingers. First everything that was printed is read: it goes with the last
    /// holder of the FIFOs. Then the rest of the run may die.
    func appEnded(_ run: Run, of instance: ManagedInstance) {
        if let registration = run.endedRegistration { loop.cancel(registration) }
        run.endedRegistration = nil
        guard instance.run === run, !run.isEnding else { return }
        _ = exitRecord(of: run)
        let isFollowed = beginStandby(after: run, of: instance)
        for stream in [LogLine.Stream.stdout, .stderr] { captureAll(of: run, stream) }
        // What comes still is read at the very end; until then the loop would only be told of every writer that is gone.
        unwatchOutput(of: run)
        unwatchDenials(of: run)
        takeRestOfDenials(of: run, instance)
        guard isFollowed else { return killAll(of: run) }
        // In this turn, so that nobody can want something else of an instance whose next run has begun.
        run.isEnding = true
        stopTimers(of: run)
        finish(run, of: instance)
    }

    private func stopTimers(of run: Run) {
        for purpose in [Run.TimerPurpose.grace, .kill, .probe, .startTimeout, .freeze] { cancelTimer(purpose, of: run) }
    }

    /// `paas-init` has ended. The run is over once nothing of it lives in its cgroup.
    func processEnded(_ run: Run, of instance: ManagedInstance) {
        guard instance.run === run, !run.isEnding else { return }
        run.isEnding = true
        stopTimers(of: run)
        // Both may have become ready in the same wake-up.
        if run.startFailureReader != nil { readStartFailure(of: run, instance: instance) }
        do {
            run.initStatus = try run.process?.value.exitStatus()
        } catch {
            dependencies.logger.error("cannot learn how paas-init ended", metadata: ["error": "\(error)"])
        }
        finishWhenEmpty(run, of: instance)
    }

    /// Kills what is left in the cgroup, and goes on when the kernel says that it is empty.
    private func finishWhenEmpty(_ run: Run, of instance: ManagedInstance) {
        guard instance.run === run else { return }
        unwatch(run)
        do {
            guard try run.cgroup.isPopulated() else { return finish(run, of: instance) }
            try run.cgroup.kill()
            let events = Shared(try run.cgroup.eventsDescriptor())
            run.cgroupEvents = events
            run.registrations.append(
                try register(events.value, for: .changed) { supervisor in
                    guard (try? run.cgroup.isPopulated()) != true else { return }
                    supervisor.finish(run, of: instance)
                })
            // It may have become empty between the question and the registration.
            if try !run.cgroup.isPopulated() { finish(run, of: instance) }
        } catch {
            tryAgain(run, of: instance, "cannot watch the end of a run", error) {
                $0.finishWhenEmpty(run, of: instance)
            }
        }
    }

    /// Nothing of the run lives any more, unless it be a `paas-init` that lingers although the next run has begun: collect, report,
    /// clean up, go on.
    private func finish(_ run: Run, of instance: ManagedInstance) {
        guard instance.run === run else { return }
        unwatch(run)
        takeRestOfDenials(of: run, instance)
        // Reaps it, when it is a child of this agent: nothing of the run lives any more.
        _ = try? run.egressTool?.value.exitStatus()
        let exit: ExitReport
        var used: RunStatistics?
        do {
            let statistics = try run.cgroup.statistics()
            captureRest(of: run)
            exit = exitReport(of: run, instance: instance, statistics)
            used = statistics
        } catch {
            // Of a cgroup that somebody has removed there are none.
            if run.failedSteps < Self.stepsBeforeGivingUp, !run.cgroup.isRemoved, !instance.nextHasBegun {
                return tryAgain(run, of: instance, "cannot read a run's statistics", error) {
                    $0.finish(run, of: instance)
                }
            }
            captureRest(of: run)
            exit = exitReport(of: run, instance: instance, nil)
        }
        run.failedSteps = 0
        run.failureIsTold = false
        instance.lastExit = exit
        logWriter(of: run.assignment)?.forget(run.source)
        instance.run = nil
        let cause = ExitCause(exit, wasUnhealthy: run.unhealthyReason != nil)
        ledger.ended(run.assignment, cause: cause, used: used)
        systemLine(exit.reason, of: instance)
        let squatter = leavePort(of: run, instance)
        let wasFollowed = instance.nextHasBegun
        feed(
            .ended(ending(of: run, instance, code: exit.code, uptimeMs: exit.uptimeMs)), to: instance, note: exit.reason
        )
        // Only now: an agent that dies before this is followed by one that finds the exit record and reports the end. An
        // app that is down and starts again at once does not wait for it.
        if wasFollowed {
            remains[run.id] = run
            _ = schedule(after: .zero) { $0.layToRest(run) }
        } else if instance.pauseTimer != nil, instance.nextPause == .zero {
            _ = schedule(after: .zero) { $0.cleanUp(run) }
        } else {
            cleanUp(run)
        }
        if let squatter { report(instance, [event(.warning, instance, squatter)]) }
        resumeEndWaiters()
    }

    /// What the machine has to know of an end.
    func ending(of run: Run, _ instance: ManagedInstance, code: Int?, uptimeMs: Int64) -> InstanceMachine.Ending {
        let lifecycle = lifecycle(of: instance)
        let commandMissing = (code == 126 || code == 127) && !instance.everReady
        return InstanceMachine.Ending(
            succeeded: lifecycle.isSuccess(code), wasReady: run.record.ready,
            wasHealthy: run.record.ready && Duration.milliseconds(uptimeMs) >= lifecycle.healthyAfter,
            permanent: run.startFailure != nil && run.startFailureIsPermanent || commandMissing
                || lifecycle.forbidsRestart(code))
    }

    /// After the end of a run its port is free, unless somebody outside has taken it: then the next run gets another. A
    /// port that the agent holds nobody can take.
    private func leavePort(of run: Run, _ instance: ManagedInstance) -> String? {
        if run.hasOwnNetwork {
            dependencies.portHolder.close(instanceID: instance.id)
            return nil
        }
        // Looked at before the next run began, which may be listening by now.
        if instance.nextHasBegun { return nil }
        let port = run.record.port
        guard let holder = TCPSockets.listening(ofProcess: getpid()).holder(ofPort: port) else { return nil }
        ports.release(owner: instance.id)
        discardStandby(of: instance)
        return "port \(port) is now held by \(holder.name) (pid \(holder.pid)); choosing another one"
    }

    // MARK: The report

    private func exitReport(
        of run: Run, instance: ManagedInstance, _ statistics: RunStatistics?
    ) -> ExitReport {
        var report = ExitReport(at: .now, uptimeMs: Int64(run.uptime.inSeconds * 1000))
        report.requested = instance.machine.endIsRequested
        report.startFailure = run.startFailure
        if run.startFailure == nil { fillStatus(of: &report, run) }
        if let statistics {
            report.cpuMs = Int64(statistics.cpu.usage.inSeconds * 1000)
            report.peakMemoryBytes = statistics.memoryPeakBytes ?? report.peakMemoryBytes
            report.oomKilled = (statistics.outOfMemoryKills ?? 0) > 0
            report.pidsPeak = statistics.processesPeak
            if run.assignment.spec.limits.cpu != nil, let throttling = statistics.cpu.throttling {
                report.throttledMs = Int64(throttling.throttled.inSeconds * 1000)
            }
            report.pressure = ExitPressure(statistics.pressure)
        }
        report.memoryLimitBytes = run.assignment.spec.limits.memoryBytes
        report.memoryLimitReachedAt = run.record.memoryLimitReachedAt
        report.hang = run.hang
        report.lastLines = lastLines(of: run)
        report.reason =
            ExitNarrative(
                report: report, stopSignal: run.stopSignal, graceExpired: run.graceExpired,
                graceSeconds: run.assignment.spec.stopGraceSeconds, unhealthyReason: run.unhealthyReason,
                countsOutOfMemoryKills: statistics?.outOfMemoryKills != nil, lastErrorLine: report.lastLines.last
            ).sentence
        return report
    }

    /// The app's own end from the record that `paas-init` wrote. Without one `paas-init` itself was killed, and its
    /// status is all there is.
    private func fillStatus(of report: inout ExitReport, _ run: Run) {
        if let record = exitRecord(of: run) {
            switch record.outcome {
            case .exited(let code): report.code = Int(code)
            case .signaled(let signal, let coreDumped):
                report.signal = SignalName.name(of: signal)
                report.coreDumped = coreDumped
            case .notStarted(let stage, let errno):
                report.startFailure = StartFailure(stage: stage, errno: errno, detail: "").description
            }
            report.peakMemoryBytes = record.maxResidentBytes
            report.at = record.endedAt
            report.uptimeMs = Int64(record.uptime.inSeconds * 1000)
            return
        }
        switch run.initStatus {
        case .exited(let code): report.code = Int(code)
        case .signaled(let signal, let coreDumped):
            report.signal = SignalName.name(of: signal)
            report.coreDumped = coreDumped
        case .unknown, nil: break
        }
    }

    /// What `paas-init` wrote at the end of the app; nil while the app runs, or when `paas-init` was killed.
    ///
    /// It stands in the FIFO, for which no descriptor has to be had, and in a file, which outlives `paas-init`.
    func exitRecord(of run: Run) -> ExitRecord? {
        if run.exitRecord == nil {
            run.exitRecord =
                recordInFIFO(of: run) ?? ProcFS.bytes(of: directory.exitRecord(ofRun: run.id)).flatMap(ExitRecord.init)
        }
        return run.exitRecord
    }

    private func recordInFIFO(of run: Run) -> ExitRecord? {
        (try? captureTools.peek.bytes(of: run.ended.value, upTo: ExitRecord.byteCount)).flatMap(ExitRecord.init)
    }
}

extension ExitPressure {
    /// The figures of the last ten seconds; nil where the kernel has none at all.
    fileprivate init?(_ pressures: Pressures) {
        guard pressures.cpu != nil || pressures.memory != nil || pressures.io != nil else { return nil }
        self.init(
            cpuSome: pressures.cpu?.some.average10, memorySome: pressures.memory?.some.average10,
            memoryFull: pressures.memory?.full?.average10, ioSome: pressures.io?.some.average10,
            ioFull: pressures.io?.full?.average10)
    }
}
