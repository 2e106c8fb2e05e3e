// SPDX-License-Identifier: Apache-2.0

/// A number of bytes, written the way people write it: `256M`, `1G`, `65536`.
///
/// Units are powers of 1024: `K`, `M`, `G`, `T`, each also as `KiB`, `KB` and so on, in either case.
public struct ByteCount: Hashable, Comparable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    /// Bytes, never negative.
    public let bytes: Int64

    /// Creates a count of bytes. A negative number is a programmer's mistake.
    public init(bytes: Int64) {
        precondition(bytes >= 0, "a byte count is never negative")
        self.bytes = bytes
    }

    /// Reads `256M`, `1.5G`, `4096`; nil for anything else, for a negative number and for 8 EiB or more.
    public init?(_ text: String) {
        let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        guard let number = Double(digits), number.isFinite else { return nil }
        let shift: Int
        switch text.dropFirst(digits.count).lowercased() {
        case "", "b": shift = 0
        case "k", "kb", "kib": shift = 10
        case "m", "mb", "mib": shift = 20
        case "g", "gb", "gib": shift = 30
        case "t", "tb", "tib": shift = 40
        default: return nil
        }
        let bytes = number * Double(Int64(1) << Int64(shift))
        guard bytes < Double(Int64.max) else { return nil }
        self.init(bytes: Int64(bytes))
    }

    /// The count for people: `256.0 MiB`, `17 B`.
    public var description: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes)
        var unit = 0
        // From 1023.95 on, one decimal would show 1024.0.
        while value >= 1023.95 && unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        guard unit > 0 else { return "\(bytes) B" }
        let tenths = Int64((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    public static func < (lhs: ByteCount, rhs: ByteCount) -> Bool { lhs.bytes < rhs.bytes }
}
