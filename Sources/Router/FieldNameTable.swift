// SPDX-License-Identifier: Apache-2.0

/// Field names by their length and first letter, in memory that is never freed: looking one up counts no references.
///
/// Concurrency proof for `@unchecked Sendable`: nothing changes after it was made.
struct FieldNameTable: @unchecked Sendable {
    struct Entry {
        let field: FieldName
        let bytes: UnsafePointer<UInt8>
        /// Index of another one of the same length and first letter; -1 for none.
        let next: Int
    }

    static let longest = 32
    static let shared = FieldNameTable()

    let entries: UnsafePointer<Entry>
    private let firsts: UnsafePointer<Int>

    private init() {
        let entries = UnsafeMutablePointer<Entry>.allocate(capacity: FieldName.allCases.count)
        let firsts = UnsafeMutablePointer<Int>.allocate(capacity: (Self.longest + 1) * 32)
        firsts.initialize(repeating: -1, count: (Self.longest + 1) * 32)
        for (index, field) in FieldName.allCases.enumerated() {
            let text = Array(field.rawValue.utf8)
            precondition(text.count <= Self.longest)
            let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: text.count)
            bytes.initialize(from: text, count: text.count)
            let place = Self.place(text.count, text[0])
            (entries + index).initialize(to: Entry(field: field, bytes: UnsafePointer(bytes), next: firsts[place]))
            firsts[place] = index
        }
        self.entries = UnsafePointer(entries)
        self.firsts = UnsafePointer(firsts)
    }

    /// Index of the first candidate; -1 for none.
    ///
    /// - Parameter count: 1 to ``longest``.
    func first(count: Int, byte: UInt8) -> Int { firsts[Self.place(count, byte)] }

    /// Letters of either case have the same five lower bits.
    private static func place(_ count: Int, _ byte: UInt8) -> Int { count * 32 + Int(byte & 0x1F) }
}
