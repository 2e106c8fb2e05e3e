// SPDX-License-Identifier: Apache-2.0

internal import PaaSModel

/// The time of a record as text, `2026-01-02T03:04:05.678901Z`: always 27 bytes, so that it can be cut off unread.
///
/// Formatting keeps the last second's text and writes only the six digits after it. Plain integer arithmetic in the
/// proleptic Gregorian calendar, no locale and no formatter. Years outside 1 to 9999 are shown as the nearest one.
struct RecordTime {
    /// Bytes of a time.
    static let length = 27
    private static let range: ClosedRange<Int64> = -62_135_596_800_000_000...253_402_300_799_999_999
    private static let digitOffsets = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22, 23, 24, 25]

    /// The text of the last time given to ``set(_:)``.
    private(set) var text = Array("1970-01-01T00:00:00.000000Z".utf8)
    private var second: Int64 = 0

    /// Makes `text` show a time.
    mutating func set(_ time: Timestamp) {
        let microseconds = min(max(time.microseconds, Self.range.lowerBound), Self.range.upperBound)
        var (newSecond, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        if fraction < 0 {
            fraction += 1_000_000
            newSecond -= 1
        }
        if newSecond != second { writeSecond(newSecond) }
        write(fraction, digits: 6, at: 20)
    }

    private mutating func writeSecond(_ newSecond: Int64) {
        second = newSecond
        var (day, ofDay) = newSecond.quotientAndRemainder(dividingBy: 86_400)
        if ofDay < 0 {
            ofDay += 86_400
            day -= 1
        }
        let date = Self.date(ofDay: day)
        write(date.year, digits: 4, at: 0)
        write(date.month, digits: 2, at: 5)
        write(date.day, digits: 2, at: 8)
        write(ofDay / 3_600, digits: 2, at: 11)
        write(ofDay / 60 % 60, digits: 2, at: 14)
        write(ofDay % 60, digits: 2, at: 17)
    }

    private mutating func write(_ value: Int64, digits: Int, at offset: Int) {
        var rest = value
        for index in stride(from: offset + digits - 1, through: offset, by: -1) {
            text[index] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
    }

    /// Reads the time at the beginning of a record; nil when there is none.
    static func parse(_ bytes: UnsafeRawBufferPointer) -> Timestamp? {
        guard bytes.count >= length,
            bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: "T"),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"), bytes[19] == UInt8(ascii: "."),
            bytes[26] == UInt8(ascii: "Z"),
            digitOffsets.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[$0]) })
        else { return nil }
        func number(_ offset: Int, _ digits: Int) -> Int64 {
            var value: Int64 = 0
            for index in offset..<offset + digits { value = value * 10 + Int64(bytes[index] & 0x0F) }
            return value
        }
        let (year, month, day) = (number(0, 4), number(5, 2), number(8, 2))
        guard year >= 1, (1...12).contains(month), (1...31).contains(day) else { return nil }
        let ofDay = number(11, 2) * 3_600 + number(14, 2) * 60 + number(17, 2)
        let seconds = Self.day(year: year, month: month, day: day) * 86_400 + ofDay
        return Timestamp(microseconds: seconds * 1_000_000 + number(20, 6))
    }

    // Years are counted from 1 March of year 0, so that the leap day is the last day of a year and the lengths of the
    // months before it follow one line: the days before month m (March is 0) are (153 m + 2) / 5.
    private static let epoch: Int64 = 719_468

    private static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let marchMonth = (month + 9) % 12
        let leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400
        return marchYear * 365 + leapDays + (153 * marchMonth + 2) / 5 + day - 1 - epoch
    }

    private static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = day + epoch
        var marchYear = days * 400 / 146_097
        var rest = days - (marchYear * 365 + marchYear / 4 - marchYear / 100 + marchYear / 400)
        if rest < 0 {
            marchYear -= 1
            rest = days - (marchYear * 365 + marchYear / 4 - marchYear / 100 + marchYear / 400)
        } else {
            let leap = (marchYear + 1).isMultiple(of: 4) && !(marchYear + 1).isMultiple(of: 100)
            let length: Int64 = leap || (marchYear + 1).isMultiple(of: 400) ? 366 : 365
            if rest >= length {
                marchYear += 1
                rest -= length
            }
        }
        let marchMonth = (5 * rest + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (month <= 2 ? marchYear + 1 : marchYear, month, rest - (153 * marchMonth + 2) / 5 + 1)
    }
}
