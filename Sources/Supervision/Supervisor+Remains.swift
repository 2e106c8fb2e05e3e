// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import LinuxSystem
internal import Logging
internal import PaaSModel

/// What is left of runs that no instance has any more.
extension Supervisor {
    /// Takes a run that cannot be watched from its instance.
    func abandon(_ run: Run, of instance: ManagedInstance) {
        instance.run = nil
        layToRest(run)
    }

    /// Kills what lives of a run that no instance has, and removes what is left of it. Comes back until nothing is.
    func layToRest(_ run: Run) {
        remains[run.id] = run
        unwatch(run)
        do {
            try run.cgroup.kill()
            guard let process = run.process else { return removeRemains(of: run) }
            run.registrations.append(
                try register(process.value.pidfd, for: .readable) { $0.removeRemains(of: run) })
        } catch {
            if run.cgroup.isRemoved { return removeRemains(of: run) }
            tryAgain(run, "cannot end a run that nobody watches", error) { $0.layToRest(run) }
        }
    }

    /// Its `paas-init` has ended.
    func removeRemains(of run: Run) {
        unwatch(run)
        // Reaps it: a zombie keeps no cgroup, but its number.
        _ = try? run.process?.value.exitStatus()
        guard (try? run.cgroup.isPopulated()) == false || run.cgroup.isRemoved else {
            return tryAgain(run, "a killed run still lives", nil) { $0.layToRest(run) }
        }
        remains[run.id] = nil
        cleanUp(run)
        resumeEndWaiters()
    }

    /// Removes the cgroup and the directory of a run of which nothing lives.
    func cleanUp(_ run: Run) {
        do {
            try run.cgroup.remove()
            try dependencies.cgroups.removeSlice(app: run.assignment.app.rawValue)
        } catch {
            return tryAgain(run, "cannot remove a cgroup", error) { $0.cleanUp(run) }
        }
        removeDirectory(ofRun: run.id)
    }

    /// Removes a run's directory, and comes back while the disk refuses.
    func removeDirectory(ofRun runID: String, attempt: Int = 1) {
        guard !directory.removeRun(runID) else { return }
        dependencies.logger.debug("cannot remove a run's directory; it is tried again", metadata: ["run": "\(runID)"])
        _ = schedule(after: Self.pause(beforeAttempt: attempt)) {
            $0.removeDirectory(ofRun: runID, attempt: attempt + 1)
        }
    }

    /// Comes back after a moment to a step at the end of a run that failed, for lack of descriptors or memory say, or that
    /// is not over yet. Going on without it would report what is not known, or leave something behind.
    ///
    /// - Parameter instance: whose events tell of it; nil for what no longer concerns the app.
    func tryAgain(
        _ run: Run, of instance: ManagedInstance? = nil, _ what: String, _ error: (any Error)?,
        _ step: @escaping @Sendable (isolated Supervisor) -> Void
    ) {
        if let error, !run.failureIsTold {
            dependencies.logger.error(
                "\(what); it is tried again", metadata: ["run": "\(run.id)", "error": "\(error)"])
            run.failureIsTold = true
            if let instance {
                report(instance, [event(.warning, instance, "the agent \(what): \(error); it is tried again")])
            }
        }
        run.failedSteps += 1
        run.timers[.retry] = schedule(after: Self.pause(beforeAttempt: run.failedSteps), step)
    }

    private static func pause(beforeAttempt number: Int) -> Duration { .milliseconds(min(20 << min(number, 8), 5_000)) }

    func resumeEndWaiters() {
        for waiter in endWaiters { waiter.resume() }
        endWaiters.removeAll()
    }
}
