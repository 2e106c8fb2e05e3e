// SPDX-License-Identifier: Apache-2.0

/// Finds the name that somebody probably meant.
enum NameSuggestion {
    /// The name with the fewest edits, when that is few enough to be a slip; else one that begins with what was typed.
    static func closest(to typed: String, among names: [String]) -> String? {
        let typed = Array(typed.lowercased().utf8.prefix(80))
        guard !typed.isEmpty else { return nil }
        let ranked = names.map { (name: $0, edits: edits(typed, Array($0.utf8))) }.min {
            ($0.edits, $0.name) < ($1.edits, $1.name)
        }
        if let best = ranked, best.edits <= max(1, typed.count / 3) { return best.name }
        return names.sorted().first { $0.utf8.starts(with: typed) }
    }

    /// Levenshtein distance, with an exchange of two neighbours counted as one edit.
    static func edits(_ left: [UInt8], _ right: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for row in 0..<left.count {
            var current = [row + 1]
            for column in 0..<right.count {
                let cost = left[row] == right[column] ? 0 : 1
                var best = min(last[column] + cost, last[column + 1] + 1, current[column] + 1)
                if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
                    best = min(best, beforeLast[column - 1] + 1)
                }
                current.append(best)
            }
            beforeLast = last
            last = current
        }
        return last[right.count]
    }
}
