// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials
import Glibc
import PaaSModel
import Testing

@testable import Supervision

/// The whole table, as a file that a reviewer can read: every state, with every goal, against every event.
///
/// A change of the machine changes `instance-machine.txt` beside this file; write it anew with `UPDATE_TABLE=1 swift
/// test --filter InstanceMachineTableTests` and look at the difference.
@Suite struct InstanceMachineTableTests {
    private typealias Machine = InstanceMachine
    private typealias Ending = InstanceMachine.Ending

    private static let events: [(String, Machine.Event)] = [
        ("want running", .want(.running)), ("want stopped", .want(.stopped)), ("want removed", .want(.removed)),
        ("became ready", .becameReady), ("ended 0", .ended(Ending(succeeded: true, wasReady: true))),
        ("ended badly", .ended(Ending(wasReady: true))), ("ended before ready", .ended(Ending())),
        ("ended healthy", .ended(Ending(wasReady: true, wasHealthy: true))),
        ("ended for good", .ended(Ending(permanent: true))), ("pause over", .pauseOver), ("drained", .drained),
        ("grace over", .graceOver), ("unhealthy", .unhealthy), ("adopted ready", .adopted(ready: true)),
        ("adopted not ready", .adopted(ready: false)), ("found nothing", .foundNothing),
    ]

    private static let goals: [Machine.Goal?] = [nil, .running, .stopped, .removed]

    private static func row(
        _ policy: RestartPolicy, _ state: InstanceState, _ goal: Machine.Goal?, _ requested: Bool,
        _ event: (name: String, value: Machine.Event)
    ) -> String? {
        let before = Machine(
            policy: policy, goal: goal, state: state, restarts: 0, failures: 1, endIsRequested: requested)
        var after = before
        let actions = after.handle(event.value)
        if after == before && actions.isEmpty { return nil }
        let from = "\(policy.rawValue) \(state.rawValue)\(requested ? "*" : "") (\(goal?.rawValue ?? "-"))"
        let list = actions.map { "\($0)" }.joined(separator: ", ")
        return "\(from) + \(event.name) -> \(after.state.rawValue) (\(after.goal?.rawValue ?? "-")) [\(list)]"
    }

    private static var table: String {
        var rows: [String] = ["# policy state (goal) + event -> state (goal) [actions]; * the end was asked for"]
        for policy in RestartPolicy.allCases {
            for state in InstanceState.allCases {
                for goal in goals {
                    for requested in state == .stopping ? [false, true] : [false] {
                        rows += events.compactMap { row(policy, state, goal, requested, ($0.0, $0.1)) }
                    }
                }
            }
        }
        return rows.joined(separator: "\n") + "\n"
    }

    @Test func machineIsTheTable() throws {
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "instance-machine.txt")
        let table = Self.table
        if getenv("UPDATE_TABLE") != nil { try Data(table.utf8).write(to: path) }
        let written = String(decoding: try Data(contentsOf: path), as: UTF8.self)
        let (rows, expected) = (table.split(separator: "\n"), written.split(separator: "\n"))
        #expect(rows.count > 500)
        for (now, then) in zip(rows, expected) { #expect(now == then) }
        #expect(rows.count == expected.count)
    }
}
