// SPDX-License-Identifier: Apache-2.0

public import FoundationEssentials

/// A point in wall-clock time, in microseconds since 1970-01-01T00:00:00Z.
///
/// On the wire it is an RFC 3339 string in UTC with milliseconds, `2026-01-02T03:04:05.678Z`; fractions of any
/// length are read. Never used to measure a duration: clocks jump.
public struct Timestamp: Hashable, Comparable, Sendable {
    /// Microseconds since the Unix epoch.
    public let microseconds: Int64

    /// Creates a timestamp from microseconds since the Unix epoch.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// Creates a timestamp from a `Date`, rounded down to a microsecond.
    public init(_ date: Date) {
        self.microseconds = Int64((date.timeIntervalSince1970 * 1_000_000).rounded(.down))
    }

    /// The wall clock now.
    public static var now: Timestamp { Timestamp(Date.now) }

    /// The same point as a `Date`.
    public var date: Date { Date(timeIntervalSince1970: Double(microseconds) / 1_000_000) }

    /// The timestamp moved by a number of seconds, which may be negative; kept within the years 1 to 9999, which are
    /// those that RFC 3339 can write.
    public func advanced(bySeconds seconds: Double) -> Timestamp {
        let (first, last): (Int64, Int64) = (-62_135_596_800_000_000, 253_402_300_799_999_999)
        guard let step = Int64(exactly: (seconds * 1_000_000).rounded(.towardZero)) else {
            return Timestamp(microseconds: seconds > 0 ? last : first)
        }
        let (sum, overflow) = microseconds.addingReportingOverflow(step)
        return Timestamp(microseconds: overflow ? (step > 0 ? last : first) : min(max(sum, first), last))
    }

    /// Seconds from this timestamp to a later one; negative when `other` is earlier.
    public func seconds(until other: Timestamp) -> Double {
        Double(other.microseconds - microseconds) / 1_000_000
    }

    public static func < (lhs: Timestamp, rhs: Timestamp) -> Bool { lhs.microseconds < rhs.microseconds }
}

extension Timestamp: Codable, CustomStringConvertible, LosslessStringConvertible {
    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    /// RFC 3339 in UTC with milliseconds.
    public var description: String {
        let flooredToMillisecond = (microseconds - microseconds.flooredModulo(1000)) / 1000
        return Date(timeIntervalSince1970: Double(flooredToMillisecond) / 1000 + 0.000_1).formatted(Self.style)
    }

    /// Reads RFC 3339, with or without a fraction.
    public init?(_ text: String) {
        if let date = try? Date(text, strategy: Self.style) {
            self.init(microseconds: Int64((date.timeIntervalSince1970 * 1_000_000).rounded()))
        } else if let date = try? Date(text, strategy: Date.ISO8601FormatStyle()) {
            self.init(microseconds: Int64(date.timeIntervalSince1970) * 1_000_000)
        } else {
            return nil
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Timestamp(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "not an RFC 3339 time, such as 2026-01-02T03:04:05.678Z")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Int64 {
    fileprivate func flooredModulo(_ divisor: Int64) -> Int64 {
        let remainder = self % divisor
        return remainder < 0 ? remainder + divisor : remainder
    }
}
