// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The table of `paas top`: what each column shows, and from when on it is coloured.
enum TopTable {
    /// The columns of contract.md; on a narrow terminal those that say least go first. Numbers have room for their usual
    /// width, so that columns do not move when values change.
    static let columns: [Table.Column] = [
        .init(title: "APP", shrinksTo: 8, minimumWidth: 8), .init(title: "INST", minimumWidth: 5),
        number("CPU%", 6), number("THROTTLED%", 6, 6), number("MEM", 6), number("LIMIT", 6, 4), number("MEM%", 5, 1),
        number("PEAK", 6, 10), number("PIDS", 4, 2), number("READ/s", 6, 7), number("WRITE/s", 6, 7),
        number("PSI-CPU", 5, 8), number("PSI-MEM", 5, 8), number("PSI-IO", 5, 9), number("OOM", 3, 11),
        number("RESTARTS", 3, 12), number("REQ/s", 6, 3), number("P99", 6, 5),
    ]

    private static func number(_ title: String, _ width: Int, _ dropRank: Int = 0) -> Table.Column {
        .init(title: title, alignsRight: true, dropRank: dropRank, minimumWidth: width)
    }

    /// The rows in the order given.
    static func table(_ rows: [InstanceStats]) -> Table {
        var table = Table(columns)
        table.rows = rows.map(cells)
        return table
    }

    private static func cells(_ row: InstanceStats) -> [Table.Cell] {
        let name = DisplayText.escaped(row.app.rawValue)
        return [
            .init(name, row.state == .running ? .bold : .warning), .init(DisplayText.escaped(row.instance)),
            cpu(row), percent(row.throttledPercent, warning: 10, bad: 50), size(row.memoryBytes),
            size(row.memoryLimitBytes), percent(row.memoryPercent, warning: 80, bad: 95), size(row.memoryPeakBytes),
            pids(row), rate(row.readBytesPerSecond), rate(row.writeBytesPerSecond),
            percent(row.pressure.cpu?.some.avg10, warning: 20, bad: 50),
            percent(row.pressure.memory?.some.avg10, warning: 5, bad: 20),
            percent(row.pressure.io?.some.avg10, warning: 20, bad: 50),
            row.oomKills.map { .init("\($0)", $0 > 0 ? .bad : .plain) } ?? "-",
            .init("\(row.restarts)", row.restarts > 0 ? .warning : .plain),
            row.requestsPerSecond.map { .init(number($0)) } ?? "-",
            row.p99Ms.map { .init(latency($0), $0 >= 1_000 ? .bad : $0 >= 250 ? .warning : .plain) } ?? "-",
        ]
    }

    /// Near its limit, or near one whole core where there is none.
    private static func cpu(_ row: InstanceStats) -> Table.Cell {
        let full = (row.cpuLimit ?? 1) * 100
        return percent(row.cpuPercent, warning: full * 0.7, bad: full * 0.95)
    }

    private static func pids(_ row: InstanceStats) -> Table.Cell {
        guard let pids = row.pids else { return "-" }
        guard let limit = row.pidsLimit else { return .init("\(pids)") }
        let share = Double(pids) / Double(limit)
        return .init("\(pids)", share >= 0.95 ? .bad : share >= 0.8 ? .warning : .plain)
    }

    private static func percent(_ value: Double?, warning: Double, bad: Double) -> Table.Cell {
        guard let value else { return "-" }
        return .init(oneDecimal(value), value >= bad ? .bad : value >= warning ? .warning : .plain)
    }

    private static func size(_ bytes: Int64?) -> Table.Cell { bytes.map { .init(size(Double($0))) } ?? "-" }

    private static func rate(_ bytes: Double?) -> Table.Cell { bytes.map { .init(size($0)) } ?? "-" }

    // MARK: Short numbers

    /// `12.3`.
    static func oneDecimal(_ value: Double) -> String {
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(abs(tenths) % 10)"
    }

    /// `0`, `640K`, `12.3M`, `1.5G`: powers of 1024, as sizes are typed.
    static func size(_ bytes: Double) -> String {
        var value = bytes
        var units = ["", "K", "M", "G", "T"][...]
        while value >= 999.5, units.count > 1 {
            value /= 1024
            units.removeFirst()
        }
        let unit = units.first ?? ""
        return value < 99.95 && unit != "" ? oneDecimal(value) + unit : "\(Int64(value.rounded()))\(unit)"
    }

    /// `0.4`, `12`, `1.5k`.
    static func number(_ value: Double) -> String {
        if value < 9.95 { return oneDecimal(value) }
        return value < 9_999.5 ? "\(Int64(value.rounded()))" : oneDecimal(value / 1_000) + "k"
    }

    /// `0.4ms`, `35ms`, `1.2s`.
    static func latency(_ milliseconds: Double) -> String {
        if milliseconds < 9.95 { return oneDecimal(milliseconds) + "ms" }
        return milliseconds < 999.5
            ? "\(Int64(milliseconds.rounded()))ms" : oneDecimal(milliseconds / 1_000) + "s"
    }
}
