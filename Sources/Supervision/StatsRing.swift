// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The last five minutes of every instance, for sparklines: a few numbers for each second in which somebody watched.
struct StatsRing {
    /// Seconds that are kept.
    static let capacity = 300

    private struct Point {
        var time: Timestamp
        var cpuPercent: Double?
        var memoryBytes: Int64?
        var requestsPerSecond: Double?
    }

    /// Oldest first, by instance id.
    private var points: [String: [Point]] = [:]

    /// Adds a second. Instances that are not in it have left the node, and their values go.
    mutating func add(_ snapshot: StatsSnapshot) {
        let present = Set(snapshot.instances.map(\.instanceID))
        for id in points.keys where !present.contains(id) { points[id] = nil }
        for instance in snapshot.instances {
            var list = points[instance.instanceID] ?? []
            // Once a minute, so that the array is not moved for each second.
            if list.count >= Self.capacity + 60 { list.removeFirst(list.count - Self.capacity + 1) }
            list.append(
                Point(
                    time: snapshot.time, cpuPercent: instance.cpuPercent, memoryBytes: instance.memoryBytes,
                    requestsPerSecond: instance.requestsPerSecond))
            points[instance.instanceID] = list
        }
    }

    /// The snapshot with the history of its instances; values older than five minutes are left out.
    func added(to snapshot: StatsSnapshot) -> StatsSnapshot {
        var snapshot = snapshot
        let oldest = snapshot.time.advanced(bySeconds: -Double(Self.capacity))
        for index in snapshot.instances.indices {
            let all = points[snapshot.instances[index].instanceID] ?? []
            var history = StatsHistory()
            for point in all.suffix(Self.capacity) where point.time >= oldest {
                history.times.append(point.time)
                history.cpuPercent.append(point.cpuPercent)
                history.memoryBytes.append(point.memoryBytes)
                history.requestsPerSecond.append(point.requestsPerSecond)
            }
            snapshot.instances[index].history = history
        }
        return snapshot
    }
}
