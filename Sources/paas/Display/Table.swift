// SPDX-License-Identifier: Apache-2.0

/// A table for people: aligned columns, two spaces apart, cut to a terminal's width when there is one.
struct Table {
    /// A column.
    struct Column {
        /// Its heading.
        let title: String
        /// Numbers stand to the right.
        var alignsRight = false
        /// Narrowest width that it may be cut to; nil is never cut.
        var shrinksTo: Int?
        /// On a terminal that is too narrow the column with the greatest number goes first; 0 always stays.
        var dropRank = 0
        /// Room that it has even for shorter text.
        var minimumWidth = 0
    }

    /// A cell.
    struct Cell: ExpressibleByStringLiteral {
        let text: String
        let tone: Style.Tone

        init(_ text: String, _ tone: Style.Tone = .plain) {
            self.text = text
            self.tone = tone
        }

        init(stringLiteral value: String) { self.init(value) }
    }

    let columns: [Column]
    var rows: [[Cell]] = []

    init(_ columns: [Column]) { self.columns = columns }

    /// The table's lines, each with its newline.
    ///
    /// - Parameter width: columns of the terminal; nil leaves everything whole.
    func render(width: Int?, style: Style) -> String {
        let shown = shownColumns(width: width)
        let widths = shrunk(shown.map(naturalWidth), columns: shown.map { columns[$0] }, to: width)
        let head = shown.map { Cell(columns[$0].title, .bold) }
        return ([head] + rows.map { row in shown.map { row[$0] } }).map { cells in
            line(cells, widths: widths, rightAligned: shown.map { columns[$0].alignsRight }, style: style)
        }.joined()
    }

    private static let gap = 2

    private func naturalWidth(_ column: Int) -> Int {
        rows.reduce(max(columns[column].title.count, columns[column].minimumWidth)) { max($0, $1[column].text.count) }
    }

    private func shownColumns(width: Int?) -> [Int] {
        var shown = Array(columns.indices)
        guard let width else { return shown }
        func least() -> Int {
            shown.reduce(Self.gap * (shown.count - 1)) { sum, index in
                sum + min(naturalWidth(index), columns[index].shrinksTo ?? .max)
            }
        }
        while least() > width,
            let index = shown.filter({ columns[$0].dropRank > 0 }).max(by: {
                columns[$0].dropRank < columns[$1].dropRank
            })
        {
            shown.removeAll { $0 == index }
        }
        return shown
    }

    /// Takes what is too much from the columns that may shrink, the widest first.
    private func shrunk(_ natural: [Int], columns: [Column], to width: Int?) -> [Int] {
        var widths = natural
        guard let width else { return widths }
        func total() -> Int { widths.reduce(Self.gap * (widths.count - 1), +) }
        while total() > width {
            let candidates = widths.indices.filter { widths[$0] > columns[$0].shrinksTo ?? .max }
            guard let widest = candidates.max(by: { widths[$0] < widths[$1] }) else { break }
            widths[widest] -= 1
        }
        return widths
    }

    private func line(_ cells: [Cell], widths: [Int], rightAligned: [Bool], style: Style) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() {
            let text = Self.fit(cell.text, to: widths[index])
            let padding = String(repeating: " ", count: widths[index] - text.count)
            let isLast = index == cells.count - 1
            let painted = style.paint(text, cell.tone)
            line += rightAligned[index] ? padding + painted : painted + (isLast ? "" : padding)
            if !isLast { line += String(repeating: " ", count: Self.gap) }
        }
        return line + "\n"
    }

    private static func fit(_ text: String, to width: Int) -> String {
        text.count <= width ? text : text.prefix(max(0, width - 1)) + "…"
    }
}
