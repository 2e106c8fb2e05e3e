// SPDX-License-Identifier: Apache-2.0

import PaaSModel
import Testing

@testable import paas

@Suite struct TableTests {
    private func table() -> Table {
        var table = Table([
            .init(title: "NAME", shrinksTo: 5), .init(title: "PORT", alignsRight: true),
            .init(title: "CPU", alignsRight: true, dropRank: 2), .init(title: "RELEASE", dropRank: 1),
        ])
        table.rows = [["a", "20001", "-", "v1"], ["a-rather-long-name", "7", "-", "v12"]]
        return table
    }

    @Test func columnsAreAlignedAndNothingTrails() {
        #expect(
            table().render(width: nil, style: .plain) == """
                NAME                 PORT  CPU  RELEASE
                a                   20001    -  v1
                a-rather-long-name      7    -  v12

                """)
    }

    @Test func narrowTerminalCutsWhatMayBeCut() {
        let lines = table().render(width: 30, style: .plain).split(separator: "\n")
        #expect(lines.allSatisfy { $0.count <= 30 })
        #expect(lines[2] == "a-rather…      7    -  v12")
    }

    @Test func narrowerTerminalDropsTheLeastImportantColumnFirst() {
        #expect(table().render(width: 24, style: .plain).hasPrefix("NAME       PORT  RELEASE\n"))
        #expect(table().render(width: 15, style: .plain).hasPrefix("NAME       PORT\n"))
    }

    @Test func terminalTooNarrowForAnythingKeepsTheRest() {
        #expect(table().render(width: 1, style: .plain).hasPrefix("NAME    PORT\n"))
    }

    @Test func colourDoesNotChangeTheAlignment() {
        var table = Table([.init(title: "A"), .init(title: "B")])
        table.rows = [[.init("x", .good), "y"], ["longer", "z"]]
        let coloured = table.render(width: nil, style: Style(isColoured: true))
        #expect(coloured.contains("\u{1B}[32mx\u{1B}[0m       y\n"))
        let stripped = coloured.replacing(/\u{1B}\[[0-9]+m/, with: "")
        #expect(stripped == table.render(width: nil, style: .plain))
    }

    @Test func statusTableHasTheContractsColumns() throws {
        let titles = AppTable.columns.map(\.title)
        #expect(
            titles == ["NAME", "STATUS", "INSTANCES", "PORT", "RESTARTS", "UPTIME", "CPU", "MEMORY", "RELEASE"])
        let table = AppTable.table(
            [try sampleApp("b"), try sampleApp("a", status: .stopped)], now: Timestamp(microseconds: 90_000_000))
        #expect(
            table.rows.map { $0.map(\.text) } == [
                ["a", "stopped", "0/1", "20001", "2", "-", "-", "-", "v3"],
                ["b", "running", "1/1", "20001", "2", "1m 30s", "-", "-", "v3"],
            ])
    }

    @Test func crashLoopingIsShownInsteadOfRestarting() throws {
        #expect(AppTable.status(try sampleApp(status: .restarting) { $0.crashLooping = true }).text == "crash-looping")
        #expect(AppTable.status(try sampleApp(status: .restarting)).text == "restarting")
        #expect(AppTable.status(try sampleApp(status: .stopped) { $0.crashLooping = true }).text == "stopped")
    }
}
