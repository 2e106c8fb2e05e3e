// SPDX-License-Identifier: Apache-2.0

/// A place in an app's log: in front of a record, or at the end. As text `12.3456`, segment and offset.
///
/// It stays the same place for as long as the log exists: segments are only ever added to and deleted as a whole.
public struct LogPosition: Hashable, Comparable, Sendable, LosslessStringConvertible {
    /// Number of the segment; 0 is before all of them.
    var segment: UInt64
    /// Bytes from the segment's beginning.
    var offset: Int64

    /// In front of everything.
    public static let start = LogPosition(segment: 0, offset: 0)
    /// Behind everything.
    static let end = LogPosition(segment: .max, offset: .max)

    init(segment: UInt64, offset: Int64) {
        self.segment = segment
        self.offset = offset
    }

    /// Reads `12.3456`; nil for anything else.
    public init?(_ text: String) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let segment = UInt64(parts[0]), let offset = Int64(parts[1]), offset >= 0 else {
            return nil
        }
        self.init(segment: segment, offset: offset)
    }

    public var description: String { "\(segment).\(offset)" }

    public static func < (lhs: LogPosition, rhs: LogPosition) -> Bool {
        (lhs.segment, lhs.offset) < (rhs.segment, rhs.offset)
    }
}
