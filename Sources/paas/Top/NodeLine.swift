// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The machine in one line: CPU, memory, and pressure, with as much of it as fits.
struct NodeLine {
    let stats: NodeStats

    func line(width: Int) -> StyledLine {
        var line = StyledLine(DisplayText.escaped(stats.name), .bold)
        line.append(cpu(bar: width >= 100), ifFits: width)
        line.append(memory(bar: width >= 100), ifFits: width)
        line.append(pressure, ifFits: width)
        if let swap = stats.swapUsedBytes, swap > 0 {
            line.append(StyledLine("  swap \(TopTable.size(Double(swap)))", .warning), ifFits: width)
        }
        return line
    }

    private func cpu(bar: Bool) -> StyledLine {
        let full = Double(max(1, stats.cores)) * 100
        guard let percent = stats.cpuPercent else { return StyledLine("  CPU -") }
        return Self.gauge(
            "CPU", percent / full, bar: bar, "\(TopTable.oneDecimal(percent))% of \(Int(full))%")
    }

    private func memory(bar: Bool) -> StyledLine {
        guard let total = stats.memoryBytes, let used = stats.memoryUsedBytes, total > 0 else {
            return StyledLine("  MEM -")
        }
        return Self.gauge(
            "MEM", Double(used) / Double(total), bar: bar,
            "\(TopTable.size(Double(used))) of \(TopTable.size(Double(total)))")
    }

    private var pressure: StyledLine {
        var line = StyledLine("  PSI")
        for (name, value) in [("cpu", stats.pressure.cpu), ("mem", stats.pressure.memory), ("io", stats.pressure.io)] {
            line.append(" \(name) ")
            guard let value else {
                line.append("-")
                continue
            }
            let percent = value.some.avg10
            line.append(TopTable.oneDecimal(percent), percent >= 50 ? .bad : percent >= 20 ? .warning : .plain)
        }
        return line
    }

    private static func gauge(_ name: String, _ share: Double, bar: Bool, _ text: String) -> StyledLine {
        let tone: Style.Tone = share >= 0.9 ? .bad : share >= 0.7 ? .warning : .good
        var line = StyledLine("  \(name) ")
        if bar {
            let full = min(10, max(0, Int((share * 10).rounded())))
            line.append("[")
            line.append(String(repeating: "|", count: full), tone)
            line.append(String(repeating: " ", count: 10 - full) + "] ")
        }
        line.append(text, bar ? .plain : tone)
        return line
    }
}
