// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
internal import LinuxSystem
internal import PaaSModel

/// What runs that have ended used, and how they ended, since the agent began; for counters that never go back.
///
/// One entry for each slot that an app of this node has had; they go when the app is destroyed.
struct RunLedger {
    struct Entry {
        var counters = RunCounters()
        var restarts: Int64 = 0
        var exits: [String: Int64] = [:]
    }

    /// By app id and slot.
    private(set) var entries: [String: [String: Entry]] = [:]
    /// Names by app id.
    private(set) var names: [String: AppName] = [:]

    /// A run is over.
    ///
    /// - Parameter used: nil when it could not be read.
    mutating func ended(_ assignment: Assignment, cause: ExitCause, used: RunStatistics?) {
        change(assignment) { entry in
            if let used { entry.counters.add(RunCounters(used)) }
            entry.exits[cause.rawValue, default: 0] += 1
        }
    }

    /// An instance is being started again.
    mutating func restarted(_ assignment: Assignment) {
        change(assignment) { $0.restarts += 1 }
    }

    /// The app is destroyed.
    mutating func forget(appID: String) {
        entries[appID] = nil
        names[appID] = nil
    }

    private mutating func change(_ assignment: Assignment, _ body: (inout Entry) -> Void) {
        names[assignment.appID] = assignment.app
        body(&entries[assignment.appID, default: [:]][assignment.slot, default: Entry()])
    }
}

extension ExitCause {
    /// The cause that a report tells.
    init(_ report: ExitReport, wasUnhealthy: Bool) {
        switch report {
        case _ where report.requested: self = .requested
        case _ where report.startFailure != nil: self = .startFailure
        case _ where report.oomKilled: self = .outOfMemory
        case _ where wasUnhealthy: self = .unhealthy
        case _ where report.signal != nil: self = .signal
        default: self = report.code.map { $0 == 0 ? .success : .error } ?? .unknown
        }
    }
}

extension RunCounters {
    /// What a run has used until now.
    init(_ used: RunStatistics) {
        self.init()
        cpuMicroseconds = used.cpu.usage.wholeMicroseconds
        throttledMicroseconds = used.cpu.throttling?.throttled.wholeMicroseconds
        readBytes = used.io?.readBytes
        writtenBytes = used.io?.writtenBytes
        oomKills = used.outOfMemoryKills
        let pressure = ["cpu": used.pressure.cpu, "memory": used.pressure.memory, "io": used.pressure.io]
        for (resource, pressure) in pressure {
            waitedMicroseconds[resource] = pressure?.some.total.wholeMicroseconds
            stalledMicroseconds[resource] = pressure?.full?.total.wholeMicroseconds
        }
    }
}

extension Duration {
    fileprivate var wholeMicroseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}
