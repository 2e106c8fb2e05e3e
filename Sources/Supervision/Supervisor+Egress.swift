// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import Glibc
internal import LinuxSystem
internal import Logging
internal import PaaSModel
internal import Sandbox

extension Supervisor {
    /// Name of the cgroup of the tool, below the run's: it ends with the run, and what it uses is the run's.
    private static let egressCgroup = "egress"

    /// Starts the tool that carries an app's traffic, for a `paas-init` that waits for it. When that fails, `paas-init`
    /// sees the link closed and gives up the start.
    ///
    /// - Parameter link: one end of a socket pair, whose other end `paas-init` has.
    func startEgress(of run: Run, link: borrowing OwnedDescriptor) {
        do { try spawnEgressTool(for: run, link: link) } catch { run.egressFailure = ": \(error)" }
    }

    private func spawnEgressTool(for run: Run, link: borrowing OwnedDescriptor) throws {
        guard let process = run.process else {
            throw SupervisionError("the app has ended", isPermanent: false)
        }
        let messages = try OwnedDescriptor.open(directory.egressMessages(ofRun: run.id), O_WRONLY | O_CREAT | O_APPEND)
        run.egressTool = try startEgressTool(
            forProcess: process.value.pid, cgroup: run.cgroup, messages: messages, link: link)
    }

    /// Starts the tool in a cgroup of its own below the one of what it serves.
    ///
    /// - Parameter messages: gets what it has to say.
    func startEgressTool(
        forProcess pid: Int32, cgroup owner: RunCgroup, messages: borrowing OwnedDescriptor,
        link: borrowing OwnedDescriptor
    ) throws -> Shared<ProcessHandle> {
        guard let tool = dependencies.planner.networks.egressTool else {
            throw SupervisionError("this node has no tool for the network mode 'egress'", isPermanent: true)
        }
        let cgroup = try owner.makeChild(Self.egressCgroup)
        // Before anything runs in it.
        try EgressFilter.attach(toCgroup: cgroup.descriptor, allowing: tool.resolver)
        let null = try OwnedDescriptor.open("/dev/null", O_RDWR)
        return Shared(
            try tool.start(
                forProcess: pid, null: null.rawValue, messages: messages.rawValue, link: link.rawValue,
                cgroup: cgroup.descriptor))
    }

    /// Ends a run whose way out is gone: without it the app would only seem to run.
    func watchEgress(of run: Run, _ instance: ManagedInstance) {
        guard run.record.network == .egress else { return }
        do {
            let cgroup = try RunCgroup.existing(path: run.cgroup.path + "/" + Self.egressCgroup)
            let events = Shared(try cgroup.eventsDescriptor())
            run.registrations.append(
                try register(events.value, for: .changed) { supervisor in
                    _ = events
                    supervisor.checkEgress(cgroup, run, instance)
                })
            checkEgress(cgroup, run, instance)
        } catch {
            dependencies.logger.error("cannot watch an app's way out", metadata: ["error": "\(error)"])
            egressLost(run, instance)
        }
    }

    private func checkEgress(_ cgroup: RunCgroup, _ run: Run, _ instance: ManagedInstance) {
        guard instance.run === run, !run.isEnding, (try? cgroup.isPopulated()) != true else { return }
        egressLost(run, instance)
    }

    private func egressLost(_ run: Run, _ instance: ManagedInstance) {
        guard run.unhealthyReason == nil else { return }
        run.unhealthyReason = "lost its way out: \(EgressTool.name) has ended\(egressLastWords(ofRun: run.id))"
        feed(.unhealthy, to: instance, note: run.unhealthyReason)
    }

    /// The end of what the tool has said, for a message: `: it said '…'`.
    func egressLastWords(ofRun runID: String) -> String {
        let text = ProcFS.text(of: directory.egressMessages(ofRun: runID), limit: 65_536) ?? ""
        let line = text.split(whereSeparator: \.isNewline).last { !$0.hasPrefix("WARNING") }
        return line.map { "; it said '\($0.prefix(200))'" } ?? ""
    }
}
