// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel

extension Supervisor {
    /// Looks whether the run is ready, and comes back until it is: after 4 ms at first, then in growing steps up to
    /// the contract's second. There is no event of the kernel for "somebody listens", so this is the one thing that
    /// is asked again and again, and only while a start is under way.
    func probe(_ run: Run, of instance: ManagedInstance) {
        guard instance.run === run, instance.machine.state == .starting, !run.isEnding else { return }
        switch listening(run) {
        case .onItsPort:
            guard let path = run.assignment.spec.healthPath else { return becameReady(run, of: instance) }
            probeHealth(run, path: path, of: instance)
        case .notYet(let message):
            wait(for: message, run, of: instance)
        }
    }

    private func becameReady(_ run: Run, of instance: ManagedInstance) {
        cancelTimer(.startTimeout, of: run)
        run.record.ready = true
        run.failedProbes = 0
        instance.everReady = true
        feed(.becameReady, to: instance)
        watchHealth(run, of: instance)
        wantStandby(of: instance)
    }

    private func wait(for message: String, _ run: Run, of instance: ManagedInstance) {
        if instance.reason != message {
            instance.reason = message
            report(instance)
            publishRoute(ofApp: instance.app)
        }
        run.timers[.probe] = schedule(after: run.probePause) { $0.probe(run, of: instance) }
        run.probePause = min(run.probePause * 5 / 4, Defaults.startProbeInterval)
    }

    private enum Listening {
        case onItsPort
        case notYet(message: String)
    }

    /// Whether PORT is listened on by a process of this run's own cgroup; anybody else's socket does not count.
    private func listening(_ run: Run) -> Listening {
        let slot = run.assignment.slot
        let port = run.record.port
        let sockets = TCPSockets.listening(ofProcess: run.process?.value.pid ?? getpid())
        let nobody = "waiting for PORT \(port) to be listened on by \(slot)"
        // In a network of its own that is the usual answer, and then nobody needs to be asked what he holds.
        guard !sockets.sockets.isEmpty else { return .notYet(message: nobody) }
        let own = sockets.sockets(heldBy: (try? run.cgroup.processIDs()) ?? [])
        if own.contains(where: { $0.port == port && $0.isReachableOnLoopback }) { return .onItsPort }
        if own.contains(where: { $0.port == port }) {
            return .notYet(
                message: "\(slot) listens on PORT \(port), but not on 127.0.0.1; let it listen on 127.0.0.1 or 0.0.0.0")
        }
        if let holder = sockets.holder(ofPort: port) {
            return .notYet(
                message: "PORT \(port) is held by \(holder.name) (pid \(holder.pid)), which is not part of this app")
        }
        if !own.isEmpty {
            let list = Set(own.map(\.port)).sorted().map(String.init).joined(separator: ", ")
            return .notYet(message: "\(slot) listens on \(list), not on PORT \(port); let it use the variable PORT")
        }
        return .notYet(message: nobody)
    }

    func startTimedOut(_ run: Run, of instance: ManagedInstance) {
        guard instance.run === run, instance.machine.state == .starting else { return }
        // A supervisor that is behind may come here before it comes to what has happened in time.
        if run.startFailureReader != nil { readStartFailure(of: run, instance: instance) }
        guard instance.machine.state == .starting, run.startFailure == nil else { return }
        if run.assignment.spec.healthPath == nil, case .onItsPort = listening(run) {
            return becameReady(run, of: instance)
        }
        let seconds = lifecycle(of: instance).startTimeout.shortText
        run.unhealthyReason = "was not ready within \(seconds): \(instance.reason ?? "no reason known")"
        feed(.unhealthy, to: instance, note: run.unhealthyReason)
    }

    // MARK: Health path

    private func probeHealth(_ run: Run, path: String, of instance: ManagedInstance) {
        Task {
            let failure = await dependencies.prober.failure(
                instanceID: instance.id, port: run.record.port, path: path,
                timeout: lifecycle(of: instance).healthTimeout)
            guard instance.run === run, !run.isEnding, !hasLeft else { return }
            switch (instance.machine.state, failure) {
            case (.starting, nil): becameReady(run, of: instance)
            case (.starting, let failure?):
                wait(for: "waiting for \(path) to be healthy: it \(failure)", run, of: instance)
            case (.running, nil):
                run.failedProbes = 0
                watchHealth(run, of: instance)
            case (.running, let failure?):
                run.failedProbes += 1
                if run.failedProbes >= lifecycle(of: instance).healthFailures {
                    run.unhealthyReason = "failed its health check \(path) \(run.failedProbes) times: it \(failure)"
                    feed(.unhealthy, to: instance, note: run.unhealthyReason)
                } else {
                    watchHealth(run, of: instance)
                }
            default: break
            }
        }
    }

    /// Asks a running app's health path now and then. Without a path nothing is asked: an app whose process lives
    /// and listens is healthy, and its end is an event.
    func watchHealth(_ run: Run, of instance: ManagedInstance) {
        guard let path = run.assignment.spec.healthPath else { return }
        run.timers[.probe] = schedule(after: lifecycle(of: instance).healthInterval) { supervisor in
            guard instance.run === run, instance.machine.state == .running else { return }
            supervisor.probeHealth(run, path: path, of: instance)
        }
    }

    func cancelTimer(_ purpose: Run.TimerPurpose, of run: Run) {
        if let timer = run.timers.removeValue(forKey: purpose) { loop.cancel(timer) }
    }
}
