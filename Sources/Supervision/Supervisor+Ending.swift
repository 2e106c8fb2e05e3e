// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel
internal import Sandbox

extension Supervisor {
    // MARK: Asking for the end

    func closeRouteAndDrain(_ instance: ManagedInstance) {
        publishRoute(ofApp: instance.app)
        guard let run = instance.run else { return signalStop(instance) }
        Task {
            await dependencies.routes.drain(instanceID: instance.id, limit: configuration.drainLimit)
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
            supervisor.feed(.graceOver, to: instance)
        }
    }

    func kill(_ instance: ManagedInstance) {
        guard let run = instance.run else { return }
        do {
            try run.cgroup.kill()
        } catch {
            dependencies.logger.error(
                "cannot kill a cgroup", metadata: ["path": "\(run.cgroup.path)", "error": "\(error)"])
            _ = try? run.process?.value.send(signal: SIGKILL)
        }
    }

    // MARK: The end

    /// `paas-init` has ended. The run is over once nothing of it lives in its cgroup.
    func processEnded(_ run: Run, of instance: ManagedInstance) {
        guard instance.run === run, !run.isEnding else { return }
        run.isEnding = true
        for registration in run.registrations { loop.cancel(registration) }
        run.registrations.removeAll()
        for purpose in [Run.TimerPurpose.grace, .probe, .startTimeout] { cancelTimer(purpose, of: run) }
        // Both may have become ready in the same wake-up.
        if run.startFailureReader != nil { readStartFailure(of: run, instance: instance) }
        do {
            let status = try run.process?.value.exitStatus()
            guard try run.cgroup.isPopulated() else { return finish(run, of: instance, initStatus: status) }
            try run.cgroup.kill()
            let events = Shared(try run.cgroup.eventsDescriptor())
            run.cgroupEvents = events
            run.registrations.append(
                try register(events.value, for: .changed) { supervisor in
                    guard (try? run.cgroup.isPopulated()) != true else { return }
                    supervisor.finish(run, of: instance, initStatus: status)
                })
            // It may have become empty between the question and the registration.
            if try !run.cgroup.isPopulated() { finish(run, of: instance, initStatus: status) }
        } catch {
            dependencies.logger.error("cannot watch the end of a run", metadata: ["error": "\(error)"])
            finish(run, of: instance, initStatus: .unknown)
        }
    }

    /// Nothing of the run lives any more: collect, report, clean up, go on.
    func finish(_ run: Run, of instance: ManagedInstance, initStatus: ProcessHandle.ExitStatus?) {
        guard instance.run === run else { return }
        for registration in run.registrations { loop.cancel(registration) }
        run.registrations.removeAll()
        if let registration = run.startFailureRegistration { loop.cancel(registration) }
        captureRest(of: run)
        let exit = exitReport(of: run, instance: instance, initStatus: initStatus)
        instance.lastExit = exit
        systemLine(exit.reason, of: instance)
        logWriter(ofApp: run.assignment.appID)?.forget(run.source)
        instance.run = nil
        warnAboutSquatter(of: run.record.port, instance)
        let commandMissing = (exit.code == 126 || exit.code == 127) && !instance.everReady
        feed(
            .ended(
                InstanceMachine.Ending(
                    succeeded: exit.code == 0, wasReady: run.record.ready,
                    wasHealthy: run.record.ready && Duration.milliseconds(exit.uptimeMs) >= configuration.healthyAfter,
                    permanent: run.startFailure != nil && run.startFailureIsPermanent || commandMissing)),
            to: instance, note: exit.reason)
        // Only now: an agent that dies before this is followed by one that finds the exit record and reports the end.
        cleanUp(run)
        for waiter in endWaiters { waiter.resume() }
        endWaiters.removeAll()
    }

    private func cleanUp(_ run: Run) {
        do {
            try run.cgroup.remove()
            try dependencies.cgroups.removeSlice(app: run.assignment.app.rawValue)
        } catch {
            dependencies.logger.warning(
                "cannot remove a cgroup", metadata: ["path": "\(run.cgroup.path)", "error": "\(error)"])
        }
        directory.removeRun(run.id)
    }

    /// After the end of a run its port is free, unless somebody outside has taken it.
    private func warnAboutSquatter(of port: UInt16, _ instance: ManagedInstance) {
        guard let holder = ListeningSockets(ofProcess: getpid()).holder(ofPort: port) else { return }
        let message = "port \(port) is now held by \(holder.name) (pid \(holder.pid)); choosing another one"
        ports.release(owner: instance.id)
        report(instance, [event(.warning, instance, message)])
    }

    // MARK: The report

    private func exitReport(
        of run: Run, instance: ManagedInstance, initStatus: ProcessHandle.ExitStatus?
    ) -> ExitReport {
        var report = ExitReport(at: .now, uptimeMs: Int64(run.uptime.inSeconds * 1000))
        report.requested = instance.machine.endIsRequested
        report.startFailure = run.startFailure
        if run.startFailure == nil { fillStatus(of: &report, run, initStatus) }
        do {
            let statistics = try run.cgroup.statistics()
            report.cpuMs = Int64(statistics.cpu.usage.inSeconds * 1000)
            report.peakMemoryBytes = statistics.memoryPeakBytes ?? report.peakMemoryBytes
            report.oomKilled = (statistics.outOfMemoryKills ?? 0) > 0
        } catch {
            dependencies.logger.error("cannot read a run's statistics", metadata: ["error": "\(error)"])
        }
        report.lastLines = lastLines(of: run)
        report.reason =
            ExitNarrative(
                report: report, stopSignal: run.stopSignal, graceExpired: run.graceExpired,
                graceSeconds: run.assignment.spec.stopGraceSeconds, unhealthyReason: run.unhealthyReason,
                memoryLimitBytes: run.assignment.spec.limits.memoryBytes, lastErrorLine: report.lastLines.last
            ).sentence
        return report
    }

    /// The app's own end from the record that `paas-init` wrote. Without one `paas-init` itself was killed, and its
    /// status is all there is.
    private func fillStatus(of report: inout ExitReport, _ run: Run, _ initStatus: ProcessHandle.ExitStatus?) {
        if let bytes = ProcFS.bytes(of: directory.exitRecord(ofRun: run.id)), let record = ExitRecord(bytes: bytes) {
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
        switch initStatus {
        case .exited(let code): report.code = Int(code)
        case .signaled(let signal, let coreDumped):
            report.signal = SignalName.name(of: signal)
            report.coreDumped = coreDumped
        case .unknown, nil: break
        }
    }
}
