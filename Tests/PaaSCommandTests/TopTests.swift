// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import paas

struct TopTests {
    private func instance(_ app: String, cpu: Double? = nil, memory: Int64? = nil) throws -> InstanceStats {
        var stats = InstanceStats(
            app: try AppName(validating: app), appID: "a-\(app)", instance: "web.1", instanceID: "i-\(app)", node: "n1",
            release: "v1", state: .running, pid: 7, startedAt: Timestamp(microseconds: 0), restarts: 0)
        stats.cpuPercent = cpu
        stats.memoryBytes = memory
        return stats
    }

    private func snapshot(_ instances: [InstanceStats], node: String = "n1") -> StatsSnapshot {
        StatsSnapshot(
            time: Timestamp(microseconds: 0), intervalSeconds: 1,
            node: NodeStats(
                name: node, cores: 2, cpuPercent: 50, memoryBytes: 1 << 30, memoryUsedBytes: 1 << 29, swapUsedBytes: 0,
                pressure: PressureStats()), instances: instances)
    }

    private func view(_ instances: [InstanceStats], limit: Int? = nil) -> TopView {
        var view = TopView(sort: .cpu, limit: limit)
        view.take(snapshot(instances))
        return view
    }

    private func screen(_ view: TopView, width: Int = 200, height: Int = 12) -> [String] {
        var view = view
        return view.screen(width: width, height: height, style: .plain, now: Timestamp(microseconds: 0))
    }

    @Test func columnsAreTheContracts() {
        #expect(
            TopTable.columns.map(\.title) == [
                "APP", "INST", "CPU%", "THROTTLED%", "MEM", "LIMIT", "MEM%", "PEAK", "PIDS", "READ/s", "WRITE/s",
                "PSI-CPU", "PSI-MEM", "PSI-IO", "OOM", "RESTARTS", "REQ/s", "P99",
            ])
    }

    @Test func whatIsNotCountedIsADashAndNotZero() throws {
        let row = TopTable.table([try instance("shop", cpu: 12.34)]).rows[0].map(\.text)
        #expect(
            row == [
                "shop", "web.1", "12.3", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "0", "-", "-",
            ])
    }

    @Test func everyValueHasItsPlace() throws {
        var full = try instance("shop", cpu: 150, memory: 64 << 20)
        full.throttledPercent = 60
        full.memoryLimitBytes = 128 << 20
        full.memoryPercent = 50
        full.memoryPeakBytes = 100 << 20
        (full.pids, full.pidsLimit) = (31, 32)
        (full.readBytesPerSecond, full.writeBytesPerSecond) = (2_048, 0)
        let share = ResourcePressure.Share(avg10: 2.5, avg60: 0, avg300: 0, totalMs: 0)
        full.pressure.cpu = ResourcePressure(some: share, full: nil)
        (full.oomKills, full.restarts) = (0, 3)
        (full.requestsPerSecond, full.p99Ms) = (12_345, 35.2)
        let row = TopTable.table([full]).rows[0]
        #expect(
            row.map(\.text) == [
                "shop", "web.1", "150.0", "60.0", "64.0M", "128M", "50.0", "100M", "31", "2.0K", "0", "2.5", "-", "-",
                "0", "3", "12.3k", "35ms",
            ])
        #expect(row[3].tone == .bad, "throttled more than half of the time")
        #expect(row[8].tone == .bad, "almost at its limit of processes")
    }

    @Test func greatestComesFirstAndUnknownLast() throws {
        let rows = [
            try instance("none"), try instance("low", cpu: 1, memory: 9), try instance("high", cpu: 9, memory: 1),
        ]
        #expect(TopSort.cpu.sorted(rows).map(\.app.rawValue) == ["high", "low", "none"])
        #expect(TopSort.cpu.sorted(rows, reversed: true).map(\.app.rawValue) == ["low", "high", "none"])
        #expect(TopSort.memory.sorted(rows).map(\.app.rawValue) == ["low", "high", "none"])
        #expect(TopSort.name.sorted(rows).map(\.app.rawValue) == ["high", "low", "none"])
        #expect(TopSort.name.sorted(rows, reversed: true).map(\.app.rawValue) == ["none", "low", "high"])
    }

    @Test func aScreenHasExactlyItsLinesAndNoneIsTooLong() throws {
        let view = view(try (1...30).map { try instance("app-\($0)", cpu: Double($0)) })
        for (width, height) in [(200, 50), (80, 24), (40, 10), (20, 6)] {
            let lines = screen(view, width: width, height: height)
            #expect(lines.count == height)
            #expect(lines.allSatisfy { $0.count <= max(width, 33) }, "\(width) columns")
        }
    }

    @Test func theSelectionStaysWithItsInstanceAndInSight() throws {
        var view = view(try (1...30).map { try instance("app-\($0)", cpu: Double($0)) })
        for _ in 1...25 { _ = view.press(.down, page: 5) }
        #expect(view.selected == "i-app-6")
        #expect(screen(view).contains { $0.hasPrefix("\u{1B}[7mapp-6 ") })
        #expect(screen(view).last?.hasPrefix("app-6/web.1 v1 on n1, pid 7") == true)
        _ = view.press(.character("n"), page: 5)
        #expect(view.selected == "i-app-6")
        #expect(screen(view).contains { $0.hasPrefix("\u{1B}[7mapp-6 ") })
        view.take(snapshot([try instance("app-1")]))
        #expect(view.selected == nil, "it is gone")
    }

    @Test func keysSortReverseAndQuit() throws {
        var view = view([try instance("b", cpu: 1), try instance("a", cpu: 2)])
        _ = view.press(.character("n"), page: 5)
        #expect(view.rows.map(\.app.rawValue) == ["a", "b"])
        _ = view.press(.character("n"), page: 5)
        #expect(view.rows.map(\.app.rawValue) == ["b", "a"], "once more is the other way round")
        _ = view.press(.right, page: 5)
        #expect(view.sort == .cpu)
        _ = view.press(.left, page: 5)
        #expect(view.sort == .name)
        let quits = [view.press(.character("q"), page: 5), view.press(.escape, page: 5), view.press(.up, page: 5)]
        #expect(quits == [true, true, false])
    }

    @Test func rowsAreLimitedAndNodesAreShown() throws {
        var view = view([try instance("a", cpu: 1), try instance("b", cpu: 2)], limit: 1)
        #expect(view.rows.map(\.app.rawValue) == ["b"])
        view.take(snapshot([], node: "n2"))
        let lines = screen(view)
        #expect(
            lines[1].hasPrefix(
                "n1  CPU [|||       ] 50.0% of 200%  MEM [|||||     ] 512M of 1.0G  PSI cpu - mem - io -"))
        #expect(lines[2].hasPrefix("n2  CPU"))
    }

    @Test func troubleIsShownUntilValuesComeAgain() throws {
        var view = view([try instance("a")])
        view.connectionTrouble = "cannot reach \u{1B}[31m"
        #expect(screen(view)[2] == "cannot reach \\e[31m")
        view.take(snapshot([]))
        #expect(screen(view)[2] == "")
    }

    @Test func keysOfATerminalAreUnderstood() {
        #expect(Key.parse(Array("qn".utf8)) == [.character("q"), .character("n")])
        #expect(Key.parse(Array("\u{1B}[A\u{1B}OB\u{1B}[C\u{1B}[D".utf8)) == [.up, .down, .right, .left])
        #expect(Key.parse(Array("\u{1B}[5~\u{1B}[6~\u{1B}[H\u{1B}[4~".utf8)) == [.pageUp, .pageDown, .home, .end])
        #expect(Key.parse([0x1B]) == [.escape])
        #expect(Key.parse(Array("\u{1B}[200~x\u{1B}[1;5A".utf8)) == [.character("x"), .up])
        #expect(Key.parse([0xC3, 0xA4, 0x03, 0x1B, 0x5B]) == [])
    }

    @Test func numbersAreShort() {
        #expect(
            [0, 512, 1_023, 1_536, 1 << 20, 150 << 20, 3 << 30].map { TopTable.size(Double($0)) }
                == ["0", "512", "1.0K", "1.5K", "1.0M", "150M", "3.0G"])
        #expect([0.04, 9.94, 9.96, 1_000, 99_999].map(TopTable.number) == ["0.0", "9.9", "10", "1000", "100.0k"])
        #expect([0.4, 35.4, 1_234].map(TopTable.latency) == ["0.4ms", "35ms", "1.2s"])
        #expect(Sparkline.text([0, 1, 2, 4]) == "▁▃▅█")
    }

    @Test func anAppUsesWhatItsInstancesUseTogether() throws {
        let other = try instance("shop", cpu: 2)
        let usage = AppUsage.byApp([snapshot([try instance("shop", cpu: 1, memory: 5), other])])
        #expect(usage["a-shop"]?.cpuPercent == 3)
        #expect(usage["a-shop"]?.memoryBytes == nil, "a sum of which a part is not known")
    }
}
