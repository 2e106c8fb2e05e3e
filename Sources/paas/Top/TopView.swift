// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// What `paas top` shows, as a pure value: snapshots and keys go in, lines come out.
struct TopView {
    /// Values of one instance that the sparklines show.
    struct Trail {
        static let length = 60
        var cpu: [Double] = []
        var memory: [Double] = []

        mutating func add(cpu newCPU: Double?, memory newMemory: Int64?) {
            cpu = (cpu + [newCPU ?? 0]).suffix(Self.length)
            if let newMemory { memory = (memory + [Double(newMemory)]).suffix(Self.length) }
        }
    }

    /// The order of the rows.
    var sort: TopSort
    /// The smallest first.
    var isReversed = false
    /// Most rows that are shown.
    let limit: Int?
    /// Why nothing new comes.
    var connectionTrouble: String?
    /// The chosen row's instance id; the choice stays with the instance when rows change places.
    private(set) var selected: String?
    private var nodes: [String: StatsSnapshot] = [:]
    private var trails: [String: Trail] = [:]
    /// The first row in sight.
    private var top = 0

    init(sort: TopSort, limit: Int?) {
        self.sort = sort
        self.limit = limit
    }

    /// Nothing has come yet.
    var isEmpty: Bool { nodes.isEmpty }

    // MARK: Input

    /// Takes the newest snapshot of one node.
    mutating func take(_ snapshot: StatsSnapshot) {
        nodes[snapshot.node.name] = snapshot
        connectionTrouble = nil
        for instance in snapshot.instances {
            if let history = instance.history, trails[instance.instanceID] == nil {
                var trail = Trail()
                for (cpu, memory) in zip(history.cpuPercent, history.memoryBytes).suffix(Trail.length) {
                    trail.add(cpu: cpu, memory: memory)
                }
                trails[instance.instanceID] = trail
            } else {
                trails[instance.instanceID, default: Trail()].add(
                    cpu: instance.cpuPercent, memory: instance.memoryBytes)
            }
        }
        let present = Set(nodes.values.flatMap(\.instances).map(\.instanceID))
        trails = trails.filter { present.contains($0.key) }
        if let selected, !present.contains(selected) { self.selected = nil }
    }

    /// A new connection tells of all nodes again; one that is gone would otherwise stay for ever.
    mutating func forgetNodes() { nodes.removeAll() }

    /// Does what a key asks for; true when that is to end.
    ///
    /// - Parameter page: rows that are in sight.
    mutating func press(_ key: Key, page: Int) -> Bool {
        switch key {
        case .character("q"), .character("Q"), .escape: return true
        case .character("r"): isReversed.toggle()
        case .character("j"), .down: move(by: 1)
        case .character("k"), .up: move(by: -1)
        case .pageDown, .character(" "): move(by: max(1, page - 1))
        case .pageUp: move(by: -max(1, page - 1))
        case .home: move(by: -rows.count)
        case .end: move(by: rows.count)
        case .right: sort = sort.next(1)
        case .left: sort = sort.next(-1)
        case .character(let character):
            guard let chosen = TopSort.allCases.first(where: { $0.key == character }) else { return false }
            isReversed = chosen == sort ? !isReversed : false
            sort = chosen
        }
        return false
    }

    private mutating func move(by step: Int) {
        let rows = rows
        guard !rows.isEmpty else { return }
        guard let index = rows.firstIndex(where: { $0.instanceID == selected }) else {
            selected = (step > 0 ? rows.first : rows.last)?.instanceID
            return
        }
        selected = rows[min(max(index + step, 0), rows.count - 1)].instanceID
    }

    // MARK: Output

    /// All rows in their order.
    var rows: [InstanceStats] {
        let sorted = sort.sorted(nodes.values.flatMap(\.instances), reversed: isReversed)
        return limit.map { Array(sorted.prefix($0)) } ?? sorted
    }

    /// Rows that a screen of so many lines has room for.
    func page(height: Int) -> Int { max(1, height - nodes.count - 4) }

    /// A whole screen, exactly `height` lines.
    mutating func screen(width: Int, height: Int, style: Style, now: Timestamp) -> [String] {
        var lines = [title(now).render(width: width, style: style)]
        for snapshot in nodes.values.sorted(by: { $0.node.name < $1.node.name }) {
            lines.append(NodeLine(stats: snapshot.node).line(width: width).render(width: width, style: style))
        }
        if let connectionTrouble {
            lines.append(StyledLine(DisplayText.escaped(connectionTrouble), .bad).render(width: width, style: style))
        } else {
            lines.append("")
        }
        let rows = rows
        let page = page(height: height)
        scroll(rows, page: page)
        lines += table(rows, page: page, width: width, style: style)
        while lines.count < height - 1 { lines.append("") }
        lines = Array(lines.prefix(height - 1))
        lines.append(footer(rows, width: width, style: style))
        return lines
    }

    private mutating func scroll(_ rows: [InstanceStats], page: Int) {
        if let index = rows.firstIndex(where: { $0.instanceID == selected }) {
            top = min(max(top, index - page + 1), index)
        }
        top = min(max(0, top), max(0, rows.count - page))
    }

    private func table(_ rows: [InstanceStats], page: Int, width: Int, style: Style) -> [String] {
        guard !rows.isEmpty else {
            return [isEmpty ? "waiting for the first values" : "nothing runs; 'paas deploy' makes an app"]
        }
        // Widths come from all rows, so that scrolling moves no column.
        let table = TopTable.table(rows)
        let lines = table.render(width: width, style: style).split(separator: "\n").map(String.init)
        var shown = [lines[0]] + lines[(top + 1)..<min(lines.count, top + 1 + page)]
        if let index = rows.firstIndex(where: { $0.instanceID == selected }), (top..<top + page).contains(index) {
            let plain = table.render(width: width, style: .plain).split(separator: "\n")[index + 1]
            let padding = String(repeating: " ", count: max(0, width - plain.count))
            shown[index - top + 1] = "\u{1B}[7m\(plain)\(padding)\u{1B}[0m"
        }
        return shown
    }

    private func title(_ now: Timestamp) -> StyledLine {
        var line = StyledLine("paas top", .bold)
        let apps = Set(rows.map(\.appID)).count
        line.append("  \(now.description.dropFirst(11).prefix(8)) UTC  \(rows.count) instances of \(apps) apps")
        line.append("  sorted by \(sort.rawValue)\(isReversed ? ", reversed" : "")", .dim)
        return line
    }

    /// The chosen instance with its last minute, or what the keys do.
    private func footer(_ rows: [InstanceStats], width: Int, style: Style) -> String {
        guard let row = rows.first(where: { $0.instanceID == selected }) else {
            return StyledLine("q quit  ↑↓ choose  c m p i n ←→ sort  r reverse", .dim).render(
                width: width, style: style)
        }
        var line = StyledLine("\(row.app)/\(row.instance)", .bold)
        let pid = row.pid.map { ", pid \($0)" } ?? ""
        line.append(" \(DisplayText.escaped(row.release)) on \(DisplayText.escaped(row.node))\(pid)")
        if let trail = trails[row.instanceID] {
            line.append(StyledLine("  cpu " + Sparkline.text(trail.cpu, least: 10)), ifFits: width)
            if !trail.memory.isEmpty {
                line.append(StyledLine("  memory " + Sparkline.text(trail.memory)), ifFits: width)
            }
        }
        return line.render(width: width, style: style)
    }
}

/// A small chart in one line.
enum Sparkline {
    private static let blocks = Array("▁▂▃▄▅▆▇█")

    /// One character for each value, from 0 to the greatest of them.
    ///
    /// - Parameter least: what the full height stands for at least, so that noise stays small.
    static func text(_ values: [Double], least: Double = 0) -> String {
        let greatest = max(values.max() ?? 0, least)
        return String(
            values.map { value in
                greatest > 0 ? blocks[min(blocks.count - 1, Int(value / greatest * Double(blocks.count)))] : blocks[0]
            })
    }
}
