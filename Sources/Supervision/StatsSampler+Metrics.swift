// SPDX-License-Identifier: Apache-2.0

internal import Cgroups
public import PaaSModel

/// What has ended in one slot of an app, and what runs in it.
public struct CountedSlot: Sendable {
    let app: AppName
    let slot: String
    let ended: RunLedger.Entry
    let runs: [RunningInstance]
}

extension Supervisor {
    /// Every slot that runs something, or has since the agent began, in the order of app and slot. A run is either in
    /// `ended` or in `runs`, never in both or neither.
    public func countedSlots() -> [CountedSlot] {
        var names: [String: AppName] = [:]
        var slots = Set<[String]>()
        var runs: [[String]: [RunningInstance]] = [:]
        for instance in instances.values {
            let assignment = instance.assignment
            names[assignment.appID] = assignment.app
            let key = [assignment.appID, assignment.slot]
            slots.insert(key)
            if let run = instance.run { runs[key, default: []].append(running(instance, run)) }
        }
        for (appID, entries) in ledger.entries {
            names[appID] = names[appID] ?? ledger.names[appID]
            for slot in entries.keys { slots.insert([appID, slot]) }
        }
        return slots.compactMap { key in
            guard let app = names[key[0]] else { return nil }
            return CountedSlot(
                app: app, slot: key[1], ended: ledger.entries[key[0]]?[key[1]] ?? RunLedger.Entry(),
                runs: runs[key] ?? [])
        }.sorted { ($0.app.rawValue, $0.slot) < ($1.app.rawValue, $1.slot) }
    }
}

extension StatsSampler {
    /// The counters and figures of all slots now: one look, which waits for nothing.
    ///
    /// - Parameter slots: the supervisor's ``Supervisor/countedSlots()``.
    public func metrics(of slots: @Sendable () async -> [CountedSlot]) async -> [InstanceMetrics] {
        beginLook()
        defer { endLook() }
        let slots = await slots()
        let alive = Set(slots.flatMap(\.runs).map(\.runID))
        lastCounted = lastCounted.filter { alive.contains($0.key) }
        return slots.map(metrics)
    }

    private func metrics(_ slot: CountedSlot) -> InstanceMetrics {
        var metrics = InstanceMetrics(app: slot.app, slot: slot.slot)
        metrics.counters = slot.ended.counters
        metrics.restarts = slot.ended.restarts
        metrics.exits = slot.ended.exits
        metrics.running = slot.runs.count
        for run in slot.runs {
            if let used = used(by: run) {
                lastCounted[run.runID] = RunCounters(used)
                metrics.take(used)
            }
            // One that ended a moment ago cannot be read any more, and is not in the ledger yet.
            if let counters = lastCounted[run.runID] { metrics.counters.add(counters) }
            metrics.startedAt = max(metrics.startedAt ?? run.identity.startedAt, run.identity.startedAt)
            metrics.cpuLimit = run.identity.cpuLimit
            metrics.pidsLimit = run.identity.pidsLimit.map(Int64.init)
        }
        return metrics
    }
}

extension InstanceMetrics {
    fileprivate mutating func take(_ used: RunStatistics) {
        func add(_ value: Int64?, _ path: WritableKeyPath<InstanceMetrics, Int64?>) {
            if let value { self[keyPath: path] = (self[keyPath: path] ?? 0) + value }
        }
        add(used.memoryBytes, \.memoryBytes)
        add(used.memoryPeakBytes, \.memoryPeakBytes)
        add(used.processes, \.pids)
        memoryLimitBytes = used.memoryLimitBytes
    }
}
