// SPDX-License-Identifier: Apache-2.0

/// A "flat keyed" file of cgroup v2: lines of a name, a space and a number (kernel: cgroup-v2, "Format").
struct FlatKeyedFile: Hashable, Sendable {
    private let values: [Substring: Int64]

    /// Nil when a line is anything else; an empty text has no values.
    init?(_ text: String) {
        var values: [Substring: Int64] = [:]
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: " ", omittingEmptySubsequences: false)
            guard fields.count == 2, !fields[0].isEmpty, let value = Int64(fields[1]), value >= 0,
                values.updateValue(value, forKey: fields[0]) == nil
            else { return nil }
        }
        self.values = values
    }

    /// The number behind a name.
    subscript(name: Substring) -> Int64? { values[name] }
}
