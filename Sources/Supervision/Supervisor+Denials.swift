// SPDX-License-Identifier: Apache-2.0

internal import AppLogs
internal import LinuxSystem
internal import Logging
internal import PaaSModel
internal import Sandbox

/// System calls that the sandbox of an app has denied, on their way from `paas-init` to the app's events.
extension Supervisor {
    /// Records that are read at one wake-up; `paas-init` writes 16 in a pause.
    private static let recordsPerWakeUp = 128
    /// As many as a FIFO holds (pipe(7)), for the end of a run.
    private static let wakeUpsAtEnd = 64
    /// Pause after an error, which would come again at once.
    private static let retryPause = Duration.seconds(1)

    /// Waits for denials of a run, where it tells them.
    ///
    /// - Throws: `SystemError` from epoll_ctl(2).
    func watchDenials(of run: Run, _ instance: ManagedInstance) throws(SystemError) {
        guard let pipe = run.denials else { return }
        run.denialRegistration = try register(pipe.value, for: .readable) { $0.denialsCame(run, of: instance) }
    }

    func unwatchDenials(of run: Run) {
        if let registration = run.denialRegistration { loop.cancel(registration) }
        run.denialRegistration = nil
        cancelTimer(.denials, of: run)
    }

    private func denialsCame(_ run: Run, of instance: ManagedInstance) {
        guard instance.run === run else { return }
        do throws(SystemError) {
            _ = try takeDenials(of: run, instance)
        } catch {
            dependencies.logger.warning(
                "cannot read an app's blocked calls; it is tried again",
                metadata: ["run": "\(run.id)", "error": "\(error)"])
            unwatchDenials(of: run)
            run.timers[.denials] = schedule(after: Self.retryPause) { supervisor in
                run.timers[.denials] = nil
                // One that is still refused: what waits is read at the end of the run.
                _ = try? supervisor.watchDenials(of: run, instance)
            }
        }
        tellDenials(ofApp: instance.assignment.appID)
    }

    /// Reads what is left, before the last holder of the FIFO goes.
    func takeRestOfDenials(of run: Run, _ instance: ManagedInstance) {
        for _ in 0..<Self.wakeUpsAtEnd {
            guard (try? takeDenials(of: run, instance)) == true else { break }
        }
        tellDenials(ofApp: instance.assignment.appID)
    }

    /// Takes some records, false when there are none. They are written down before they are taken out of the FIFO, which
    /// outlives the agent.
    private func takeDenials(of run: Run, _ instance: ManagedInstance) throws(SystemError) -> Bool {
        guard let pipe = run.denials else { return false }
        let capacity = Self.recordsPerWakeUp * DenialRecord.byteCount
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 8)
        defer { buffer.deallocate() }
        let count = try captureTools.peek.peek(pipe.value, into: buffer)
        guard count > 0 else { return false }
        for record in DenialRecord.records(in: Array(buffer[..<count])) { instance.denials.take(record) }
        save(instance)
        try captureTools.peek.discard(count, from: pipe.value)
        return true
    }

    /// Makes events of what may be told now, of the instance that has the most to tell of each call, and comes back for
    /// the rest.
    func tellDenials(ofApp appID: String) {
        guard !hasLeft else { return }
        let members = instances.values.filter { $0.assignment.appID == appID && $0.machine.state != .removed }
        var pace = denialPaces[appID] ?? DenialPace(pause: configuration.denialPause)
        var events: [String: [Event]] = [:]
        for call in pace.order(Set(members.flatMap(\.denials.untold.keys))) {
            func untold(_ member: ManagedInstance) -> Int64 { member.denials.untold[call, default: 0] }
            guard let member = members.max(by: { (untold($0), $1.id) < (untold($1), $0.id) }),
                pace.allows(call, at: .now), let event = denialEvent(call, member)
            else { continue }
            events[member.id, default: []].append(event)
        }
        denialPaces[appID] = pace
        for member in members { if let told = events[member.id] { report(member, told) } }
        let waits = members.contains { !$0.denials.untold.isEmpty }
        guard waits, denialTimers[appID] == nil, let end = pace.end else { return }
        let pause = max(MonotonicInstant.now.duration(to: end), .zero)
        denialTimers[appID] = schedule(after: pause) { supervisor in
            supervisor.denialTimers[appID] = nil
            supervisor.tellDenials(ofApp: appID)
        }
    }

    /// The last events of an instance that goes for good: what nobody has told of yet, the most frequent calls first.
    func lastDenialEvents(of instance: ManagedInstance) -> [Event] {
        instance.denials.untold.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(DenialPace.callsInAPause)
            .compactMap { denialEvent($0.key, instance) }
    }

    /// Forgets the pace of an app that has no instance here any more.
    func forgetDenials(ofApp appID: String) {
        guard !instances.values.contains(where: { $0.assignment.appID == appID }) else { return }
        denialPaces[appID] = nil
        if let timer = denialTimers.removeValue(forKey: appID) { loop.cancel(timer) }
    }

    private func denialEvent(_ call: Int, _ instance: ManagedInstance) -> Event? {
        guard let count = instance.denials.tell(call) else { return nil }
        let blocked = BlockedCall(call: Self.callName(call), count: count)
        let name = blocked.call == "\(call)" ? blocked.call : "'\(blocked.call)'"
        var event = self.event(
            .blocked, instance,
            "blocked system call \(name), \(count == 1 ? "once" : "\(count) times") "
                + "(sandbox \(instance.assignment.spec.sandbox.rawValue))")
        event.blocked = blocked
        return event
    }

    private static func callName(_ call: Int) -> String {
        SystemCallFilterBuilder.name(of: Int32(call)) ?? "\(call)"
    }

    /// What was blocked in the present run; nil for nothing.
    static func blockedCalls(_ tally: DenialTally) -> [BlockedCall]? {
        guard !tally.ofRun.isEmpty else { return nil }
        return tally.ofRun.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { BlockedCall(call: callName($0.key), count: $0.value) }
    }
}
