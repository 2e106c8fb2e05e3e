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

extension CgroupDirectory {
    /// One number of a flat keyed file; nil when the cgroup does not have the file.
    ///
    /// - Throws: `CgroupError` when the file is there and has no such number: that is never taken for 0.
    func value(of key: Substring, in name: String) throws -> Int64? {
        guard let text = try read(name) else { return nil }
        guard let file = FlatKeyedFile(text) else { throw malformed(name, "is not a list of names and numbers") }
        guard let value = file[key] else { throw malformed(name, "has no '\(key)'") }
        return value
    }

    /// The number that is all of a file; nil when the cgroup does not have the file.
    func value(in name: String) throws -> Int64? {
        guard let text = try read(name) else { return nil }
        guard text.last == "\n", let value = Int64(text.dropLast()), value >= 0 else {
            throw malformed(name, "is not a number")
        }
        return value
    }
}
