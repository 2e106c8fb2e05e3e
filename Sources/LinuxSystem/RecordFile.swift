// SPDX-License-Identifier: Apache-2.0

internal import Glibc

/// A small record that is written often: a file with two places that are written in turns, so that at every moment one of
/// them is whole.
///
/// Writing over bytes that are there costs a few microseconds. ``FileReplacement`` makes a new file every time, and a file
/// system may begin to write that to the disk before rename(2) returns (`auto_da_alloc`, ext4(5)), which takes milliseconds.
///
/// A place is one line, `paas-record 1 <sequence> <bytes> <checksum>` in hexadecimal (FNV-1a, 64 bits, of what is before it and of the record),
/// and the record; what is behind that means nothing. The record of the higher sequence counts, unless its writer died in the middle of it. A power
/// failure may cost both.
///
/// For one writer of a path at a time.
public struct RecordFile: Sendable {
    /// Longer than any first line of a place.
    private static let headerBytes = 80
    private static let pageBytes = 4_096

    /// Where the file is.
    public let path: String
    private var sequence: UInt64 = 0
    /// Size of one place; 0 when the next record needs a new file.
    private var placeBytes = 0
    private var secondIsNext = false

    /// Names the file. It is made by the first ``write(_:)``, which replaces one that is there.
    public init(path: String) { self.path = path }

    /// Writes a record. It survives the end of this process, however that comes.
    ///
    /// - Throws: `SystemError`; the record before is still there.
    public mutating func write(_ bytes: [UInt8]) throws(SystemError) {
        let place = Self.place(bytes, sequence: sequence + 1)
        if place.count <= placeBytes {
            do throws(SystemError) {
                let file = try OwnedDescriptor.open(path, O_WRONLY)
                guard lseek(file.rawValue, secondIsNext ? off_t(placeBytes) : 0, SEEK_SET) >= 0 else {
                    throw SystemError(operation: "lseek", path: path, errno: errno)
                }
                try file.writeAll(place)
            } catch {
                // Whatever is the matter with this file.
                placeBytes = 0
                throw error
            }
            secondIsNext.toggle()
        } else {
            // With room to grow; in whole pages, so that the two never share one.
            let room = (place.count * 3 / 2 + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
            try FileReplacement.replace(path, with: place + [UInt8](repeating: 0, count: 2 * room - place.count))
            placeBytes = room
            secondIsNext = true
        }
        sequence += 1
    }

    /// The record of a file; nil when neither place has a whole one.
    public static func record(in file: [UInt8]) -> [UInt8]? {
        let half = file.count / 2
        let places = [record(inPlace: file[..<half]), record(inPlace: file[half...])].compactMap { $0 }
        return places.max { $0.sequence < $1.sequence }?.bytes
    }

    private static func place(_ bytes: [UInt8], sequence: UInt64) -> [UInt8] {
        let head = "paas-record 1 \(String(sequence, radix: 16)) \(String(bytes.count, radix: 16)) "
        return Array("\(head)\(checksum(head, bytes))\n".utf8) + bytes
    }

    /// Of the head as well: a new sequence before an old record must not count.
    private static func checksum(_ head: String, _ bytes: [UInt8]) -> String {
        String(FNV1a.hash(Array(head.utf8) + bytes), radix: 16)
    }

    private static func record(inPlace place: ArraySlice<UInt8>) -> (sequence: UInt64, bytes: [UInt8])? {
        guard let end = place.prefix(headerBytes).firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let line = String(decoding: place[..<end], as: UTF8.self)
        let fields = line.split(separator: " ")
        guard fields.count == 5, fields[0] == "paas-record", fields[1] == "1",
            let sequence = UInt64(fields[2], radix: 16), let count = Int(fields[3], radix: 16),
            count <= place.endIndex - end - 1
        else { return nil }
        let bytes = [UInt8](place[(end + 1)..<(end + 1 + count)])
        return fields[4] == checksum(String(line.dropLast(fields[4].count)), bytes) ? (sequence, bytes) : nil
    }
}
