// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import LinuxSystem
internal import Logging
internal import PaaSModel

/// What is found out of a run while it lives: when it met its memory limit, and what it does when it hangs.
extension Supervisor {
    /// Waits for the moment at which a run first meets its memory limit, for its exit report. Only for the first: a run
    /// at its limit meets it a hundred times a second.
    func watchMemoryLimit(_ run: Run, of instance: ManagedInstance) throws {
        guard run.assignment.spec.limits.memoryBytes != nil, run.record.memoryLimitReachedAt == nil,
            try run.cgroup.memoryEvents()?.max == 0, let events = try run.cgroup.memoryEventsDescriptor()
        else { return }
        let shared = Shared(events)
        run.memoryEvents = shared
        run.memoryRegistration = try register(shared.value, for: .changed) { supervisor in
            guard let events = (try? run.cgroup.memoryEvents()) ?? nil, events.max > 0 else { return }
            supervisor.stopWatchingMemory(run)
            run.record.memoryLimitReachedAt = .now
            if instance.run === run { supervisor.save(instance) }
        }
    }

    func stopWatchingMemory(_ run: Run) {
        if let registration = run.memoryRegistration { loop.cancel(registration) }
        run.memoryRegistration = nil
        run.memoryEvents = nil
    }

    /// How long the kernel may take to freeze a run; a thread that waits for a device cannot be frozen.
    private static let freezeLimit = Duration.seconds(1)

    /// Writes down what the run is doing, then kills it. Frozen, nothing of it changes while it is looked at.
    func examineAndKill(_ instance: ManagedInstance) {
        guard let run = instance.run else { return }
        do {
            // Before it is frozen: a frozen thread waits in the freezer, wherever it was.
            let (threads, count) = try threads(of: run)
            run.hang = HangReport(at: .now, threads: threads, threadCount: count, sockets: [])
            let events = Shared(try run.cgroup.eventsDescriptor())
            run.cgroupEvents = events
            run.registrations.append(
                try register(events.value, for: .changed) { supervisor in
                    guard (try? run.cgroup.isFrozen()) == true else { return }
                    supervisor.finishExamination(of: run, instance)
                })
            run.timers[.freeze] = schedule(after: Self.freezeLimit) { $0.finishExamination(of: run, instance) }
            try run.cgroup.freeze()
        } catch {
            dependencies.logger.warning("cannot look at a run that hangs", metadata: ["error": "\(error)"])
            kill(instance)
        }
    }

    private func finishExamination(of run: Run, _ instance: ManagedInstance) {
        guard instance.run === run, run.timers[.freeze] != nil else { return }
        cancelTimer(.freeze, of: run)
        let members = (try? run.cgroup.processIDs()) ?? []
        let sockets = TCPSockets(ofProcess: run.process?.value.pid ?? 0).sockets(heldBy: members)
        run.hang?.sockets = Dictionary(grouping: sockets, by: \.state).sorted { $0.key < $1.key }.map {
            state, sockets in
            HangReport.Sockets(state: state, count: sockets.count, waiting: sockets.reduce(0) { $0 + $1.waiting })
        }
        kill(instance)
    }

    /// The app's threads, at most so many as a report shows, and how many there are; `paas-init` is not the app.
    private func threads(of run: Run) throws -> (shown: [HangReport.Thread], count: Int) {
        var shown: [HangReport.Thread] = []
        var count = 0
        for pid in try run.cgroup.processIDs() where pid != run.process?.value.pid {
            let threads = ProcFS.threads(of: pid)
            count += threads.count
            shown += threads.prefix(HangReport.maxThreads - shown.count).map {
                HangReport.Thread(
                    tid: $0.tid, name: $0.name, state: $0.state, waitsIn: $0.waitsIn, systemCall: $0.systemCall)
            }
        }
        return (shown, count)
    }
}
