// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import PaaSModel

/// The order of the rows of `paas top`: the greatest first, names from A to Z.
enum TopSort: String, CaseIterable, ExpressibleByArgument, Sendable {
    case cpu, memory, pids, io, name

    /// The key that chooses it.
    var key: Character {
        switch self {
        case .cpu: "c"
        case .memory: "m"
        case .pids: "p"
        case .io: "i"
        case .name: "n"
        }
    }

    /// The neighbour in the order of the columns; round and round.
    func next(_ step: Int) -> TopSort {
        let all = Self.allCases
        let index = (all.firstIndex(of: self) ?? 0) + step
        return all[(index % all.count + all.count) % all.count]
    }

    /// Sorts; what is not known comes last, equal rows in the order of their names.
    func sorted(_ rows: [InstanceStats], reversed: Bool = false) -> [InstanceStats] {
        rows.sorted { left, right in
            let (first, second) = (value(of: left), value(of: right))
            if let first, let second, first != second { return (first > second) != reversed }
            if (first == nil) != (second == nil) { return first != nil }
            let names = [left, right].map { ($0.app.rawValue, $0.instance, $0.node, $0.instanceID) }
            return self == .name && reversed ? names[1] < names[0] : names[0] < names[1]
        }
    }

    private func value(of row: InstanceStats) -> Double? {
        switch self {
        case .cpu: row.cpuPercent
        case .memory: row.memoryBytes.map(Double.init)
        case .pids: row.pids.map(Double.init)
        case .io: row.readBytesPerSecond.map { $0 + (row.writeBytesPerSecond ?? 0) }
        case .name: nil
        }
    }
}
